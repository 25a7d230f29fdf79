import type { EncodedPrompt, TaskEvaluator } from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
import { needsTask, type Objective } from "../pipeline/objectives/objectives.ts";
import type { Callbacks, Step } from "../progress.ts";
import type { OpenTask } from "./open-task.ts";

/** Prompts evaluated between two progress reports. */
const PIECE = 25;

/** Some prompts of a task. */
interface PromptRange {
  readonly start: number;
  readonly end: number;
  readonly signal?: AbortSignal;
}

/** Evaluates prompts a piece at a time, with progress. */
export const inPieces = async (
  step: Step,
  total: number,
  { progress, signal }: Callbacks,
  evaluate: (range: PromptRange) => Promise<void>,
): Promise<void> => {
  for (let start = 0; start < total; start += PIECE) {
    const end = Math.min(start + PIECE, total);
    await evaluate({ start, end, ...(signal && { signal }) });
    progress({ step, done: end, total });
  }
};

/**
 * Evaluates the float cache on all prompts before any plan. If it cannot do the task, all plans look equally good, and the coarsest
 * would be picked.
 *
 * @throws TaskUnansweredError if accuracy decides and the float cache is no better than chance
 */
export const assertAnswered = async (
  task: OpenTask,
  evaluator: TaskEvaluator,
  objective: Objective,
  callbacks: Callbacks,
): Promise<void> => {
  const correct: boolean[] = [];
  await inPieces("float", evaluator.prompts, callbacks, async (range) => {
    correct.push(...(await evaluator.float(range)).correct);
  });
  const reason = unanswered(task.prompts, correct);
  if (reason !== undefined && needsTask(objective)) throw new TaskUnansweredError(reason, task.prompts);
  unansweredWarnings(task, correct).forEach(callbacks.warn);
};

/** Warns of each task file that the float cache cannot do: its accuracy does not show a plan's loss. */
export const unansweredWarnings = (
  { names, fileOf, prompts }: Pick<OpenTask, "names" | "fileOf" | "prompts">,
  correct: readonly boolean[],
): string[] =>
  names.flatMap((name, file) => {
    const isIn = (_: unknown, prompt: number): boolean => fileOf[prompt] === file;
    const ofFile = prompts.filter(isIn);
    const reason = unanswered(ofFile, correct.filter(isIn));
    return reason === undefined
      ? []
      : [`${name}: ${reason}, so its accuracy does not show a plan's loss; ${adviceFor(ofFile)}`];
  });

/**
 * Why the prompts cannot show a plan's loss, or undefined if they can. The float cache answers at most one correctly, or at most
 * one standard deviation more than guessing gets.
 */
const unanswered = (prompts: readonly EncodedPrompt[], correct: readonly boolean[]): string | undefined => {
  const right = correct.filter(Boolean).length;
  const chances = prompts.map(({ item, targets }) => (item.compare === "choice" ? 1 / targets.length : 0));
  const guessed = sum(chances);
  if (right > Math.max(1, guessed + Math.sqrt(sum(chances.map((chance) => chance * (1 - chance)))))) return undefined;
  const beside = guessed > 0 ? `, and guessing ${guessed.toFixed(1)}` : "";
  return `the float cache answers ${right} of ${prompts.length} right${beside}`;
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** Advice that helps a model to answer. A model that keeps writing after its answer never matches it exactly. */
const adviceFor = (prompts: readonly EncodedPrompt[]): string => {
  const isEndless = prompts.some(({ item, stop }) => item.compare === "exact" && stop.length === 0);
  const ending = `lines of "compare": "exact" need a "stop" if the model writes no end token after its answers, or another "compare"; `;
  return `${isEndless ? ending : ""}use examples (--shots), a chat (--chat), or prompts that the model can answer`;
};

/** The model cannot do the task that decides. */
export class TaskUnansweredError extends KvtunerError {
  constructor(reason: string, prompts: readonly EncodedPrompt[]) {
    super(
      "TASK_UNANSWERED",
      `expected prompts that the model answers correctly more often than by chance, but ${reason}, so every plan would be equally good; ` +
        `${adviceFor(prompts)}, or let KL decide with --objective kl`,
    );
    this.name = "TaskUnansweredError";
  }
}
