/**
 * How an output is compared with the answer.
 *
 * - `exact`: the greedy output's tokens are the answer's, and then the output ends.
 * - `number`: the last number in the greedy output equals the last in the answer.
 * - `choice`: the answer is the likeliest of the choices.
 */
export type TaskComparison = "exact" | "number" | "choice";

/** One prompt of a task with the answer that is right. */
export interface TaskItem {
  readonly prompt: string;
  readonly answer: string;
  readonly compare: TaskComparison;
  /** What a `choice` is made from; the answer is one of them. */
  readonly choices?: readonly string[];
  /**
   * Text that ends an output, as the model's end tokens do in any case: of a `number` wherever the text of the output holds it,
   * of an `exact` where the tokens of the output are those of this text alone.
   */
  readonly stop?: string;
  /** The answer with the steps that lead to it: what examples show, and what KL is measured on. `answer` when absent. */
  readonly worked?: string;
  /** Line of the file, from 1. */
  readonly line: number;
}
