import {
  comparePaired,
  taskScore,
  type PairedComparison,
  type TaskEvaluator,
  type TaskOutcome,
  type TaskScore,
} from "@kvtuner/evaluation";
import { planSize, type Plan, type PlanSize } from "@kvtuner/plan";
import type { Callbacks } from "../progress.ts";
import { warnUnquantized } from "../space/unquantized.ts";
import { inPieces, unansweredWarnings } from "../tasks/float-answers.ts";
import { longestSequence, openTask, type OpenTask, type ReadTask } from "../tasks/open-task.ts";
import type { TunableModel } from "../tunable-model.ts";
import type { PlanScorer } from "./plan-scorer.ts";

/** A plan's accuracy, and what the float cache's is on the same prompts. */
export interface TaskComparison extends TaskScore, PairedComparison {
  readonly floatAccuracy: number;
  readonly floatAccuracyStandardError: number;
}

/** One file's part of a result. */
export interface TaskFileResult extends TaskComparison {
  /** Name of the file, with as many of its folders as tell it from the others. */
  readonly task: string;
}

/** A plan's accuracy on all prompts, the float cache's, and the plan's cost. */
export interface TaskResult extends TaskComparison, PlanSize {
  /** File by file. */
  readonly tasks: readonly TaskFileResult[];
  /** Whether each prompt was answered right; of several files, a prompt of each in turn. */
  readonly correct: readonly boolean[];
  /** The same of the float cache. */
  readonly floatCorrect: readonly boolean[];
}

/**
 * Scores plans on tasks; the model is loaded when the first plan is scored.
 *
 * @param length tokens at which bytes are counted
 * @throws KvtunerError for a task that does not fit the model
 */
export const taskScorer = (
  model: TunableModel,
  read: ReadTask,
  length: number,
  callbacks: Callbacks,
): PlanScorer<TaskResult> => {
  const task = openTask(model, read, callbacks.warn);
  const longest = longestSequence(task);
  return {
    score: async (plan) => {
      warnUnquantized(plan.layers, longest, "prompts", callbacks);
      const answers = await answersOf(plan, await task.evaluator.get(), callbacks);
      unansweredWarnings(task, answers.float.correct).forEach(callbacks.warn);
      return { ...resultOf(task, answers), ...planSize(plan, length) };
    },
    dispose: task.evaluator.dispose,
  };
};

/** What a plan and the float cache do with every prompt. */
interface Answers {
  readonly outcome: TaskOutcome;
  readonly float: TaskOutcome;
}

const answersOf = async (
  { layers, assets }: Plan,
  evaluator: TaskEvaluator,
  callbacks: Callbacks,
): Promise<Answers> => {
  const [pieces, floats]: [TaskOutcome[], TaskOutcome[]] = [[], []];
  await inPieces("evaluate", evaluator.prompts, callbacks, async (range) => {
    pieces.push(...(await evaluator.evaluate([layers], { ...range, assets })));
    floats.push(await evaluator.float(range));
  });
  return { outcome: joined(pieces), float: joined(floats) };
};

const joined = (pieces: readonly TaskOutcome[]): TaskOutcome => ({
  correct: pieces.flatMap(({ correct }) => correct),
  kl: pieces.flatMap(({ kl }) => kl),
});

const resultOf = ({ names, fileOf }: OpenTask, answers: Answers): Omit<TaskResult, keyof PlanSize> => ({
  ...compared(answers),
  tasks: names.map((task, file) => ({ task, ...compared(ofFile(answers, fileOf, file)) })),
  correct: answers.outcome.correct,
  floatCorrect: answers.float.correct,
});

const compared = ({ outcome, float }: Answers): TaskComparison => {
  const { accuracy, accuracyStandardError } = taskScore(float);
  return {
    ...taskScore(outcome),
    floatAccuracy: accuracy,
    floatAccuracyStandardError: accuracyStandardError,
    ...comparePaired(outcome.correct, float.correct),
  };
};

const ofFile = ({ outcome, float }: Answers, fileOf: readonly number[], file: number): Answers => {
  const isIn = (_: unknown, prompt: number): boolean => fileOf[prompt] === file;
  const part = ({ correct, kl }: TaskOutcome): TaskOutcome => ({ correct: correct.filter(isIn), kl: kl.filter(isIn) });
  return { outcome: part(outcome), float: part(float) };
};
