/**
 * What a plan should be good at beside being small: KL to the float cache, a task's accuracy, or both.
 *
 * With a task, KL is measured on the tokens of its answers.
 */
export type Objective = "kl" | "task" | "both";
