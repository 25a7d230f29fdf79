/**
 * How an output is compared with the answer.
 *
 * - `exact`: the greedy output's tokens are the answer's, and then the output ends.
 * - `number`: the last number in the greedy output equals the last in the answer.
 * - `choice`: the answer is the likeliest of the choices.
 */
export type TaskComparison = "exact" | "number" | "choice";

/** One prompt of a task with its right answer. */
export interface TaskItem {
  readonly prompt: string;
  readonly answer: string;
  readonly compare: TaskComparison;
  /** Options of a `choice`, including the answer. */
  readonly choices?: readonly string[];
  /**
   * Text that ends an output, in addition to the model's end tokens. `number`: wherever the output's text contains it.
   * `exact`: only where the output's tokens are those of this text alone.
   */
  readonly stop?: string;
  /** The answer with its steps, which examples show and KL is measured on. `answer` if absent. */
  readonly worked?: string;
  /** Line of the file, from 1. */
  readonly line: number;
}
