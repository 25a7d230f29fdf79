import type { TaskItem } from "./task-item.ts";

/** How prompts are put to a model. */
export interface TaskOptions {
  /** Maximum number of prompts, from the first; all by default. */
  readonly prompts?: number;
  /** Number of examples before every prompt, the same for all; 0 by default. */
  readonly shots?: number;
  /** Source of examples; the task itself by default. Prompts they show are skipped. */
  readonly shotsFrom?: readonly TaskItem[];
  /** Seed for drawing the examples; 0 by default. */
  readonly seed?: number;
  /** Puts examples and prompt into the model's chat template as turns of a conversation. */
  readonly chat?: boolean;
  /** Name of the file, for errors and warnings. */
  readonly name?: string;
  /**
   * Called when lines are skipped because examples of `shotsFrom` show them, and when the model's chat template drops
   * examples because it renders only the last turn.
   */
  readonly onWarning?: (message: string) => void;
}
