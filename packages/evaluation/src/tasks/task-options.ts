import type { TaskItem } from "./task-item.ts";

/** How prompts are put to a model. */
export interface TaskOptions {
  /** Maximum number of prompts, from the first on; all by default. */
  readonly prompts?: number;
  /** Examples in front of every prompt, the same for all; 0 by default. */
  readonly shots?: number;
  /** Source of examples; the task itself by default. Prompts they show are skipped. */
  readonly shotsFrom?: readonly TaskItem[];
  /** Draws the examples; 0 by default. */
  readonly seed?: number;
  /** Puts examples and prompt into the model's chat template, as turns of a conversation. */
  readonly chat?: boolean;
  /** Of the file, for errors and warnings. */
  readonly name?: string;
  /**
   * Told when lines are not asked because examples of `shotsFrom` show them, and when the model's chat template leaves
   * examples out, as one does that renders the last turn alone.
   */
  readonly onWarning?: (message: string) => void;
}
