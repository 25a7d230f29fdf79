import {
  comparePaired,
  taskScore,
  type PairedComparison,
  type TaskEvaluator,
  type TaskOutcome,
  type TaskScore,
} from "@kvtuner/evaluation";
import { equivalentBits, planBytes, trueBits, type CacheBytes, type Plan } from "@kvtuner/plan";
import {
  longestSequence,
  openTask,
  runContext,
  unansweredWarnings,
  unquantizedWarning,
  warningOnce,
  type OpenTask,
  type RunContext,
  type TunableModel,
} from "@kvtuner/tuning";
import { openModel } from "./model/open.ts";
import { readPlan } from "./model/read-plan.ts";
import { EVALUATE_OPTIONS, type EvaluateTaskSettings } from "./options.ts";
import { readTask } from "./tasks/read-task.ts";

/** Options of {@link evaluateTask}. */
export interface EvaluateTaskOptions extends EvaluateTaskSettings {
  /** A plan, the path of a plan file, or shorthand like `kivi:K4V2+sinks4`. */
  readonly plan: Plan | string;
}

/** A plan's accuracy, and what the float cache's is on the same prompts. */
export interface TaskComparisonResult extends TaskScore, PairedComparison {
  readonly floatAccuracy: number;
  readonly floatAccuracyStandardError: number;
}

/** One file's part of a result. */
export interface TaskFileResult extends TaskComparisonResult {
  /** Name of the file, with as many of its folders as tell it from the others. */
  readonly task: string;
}

/** A plan's accuracy on all prompts, the float cache's, and the plan's cost. */
export interface EvaluateTaskResult extends TaskComparisonResult {
  /** File by file. */
  readonly tasks: readonly TaskFileResult[];
  /** Whether each prompt was answered right; of several files, a prompt of each in turn. */
  readonly correct: readonly boolean[];
  /** The same of the float cache. */
  readonly floatCorrect: readonly boolean[];
  /** Mean bits a stored number takes at the context length, everything counted. */
  readonly bits: number;
  /** The paper's mean of key and value bits, codes alone. */
  readonly equivalentBits: number;
  /** Bytes at the context length. */
  readonly bytes: number;
  readonly bytesByPart: CacheBytes;
}

/** Puts tasks to plans one after the other, with the model loaded once. */
export interface TaskScorer {
  /** Reads and checks a plan without scoring it. */
  read(plan: Plan | string): Plan;
  /** Scores a plan, given as in {@link EvaluateTaskOptions}. */
  score(plan: Plan | string): Promise<EvaluateTaskResult>;
  /** Gives back the model's memory, unless the caller opened it. */
  dispose(): Promise<void>;
}

/**
 * Measures how many prompts a plan answers correctly, compared with the float cache.
 *
 * @throws KvtunerError for bad options, tasks, models and plans.
 */
export const evaluateTask = async (options: EvaluateTaskOptions): Promise<EvaluateTaskResult> => {
  const scorer = await openTaskScorer(options);
  try {
    return await scorer.score(options.plan);
  } finally {
    await scorer.dispose();
  }
};

/** Opens a model and tasks for any number of plans. */
export const openTaskScorer = async (settings: EvaluateTaskSettings): Promise<TaskScorer> => {
  const read = readTask(settings);
  const context = EVALUATE_OPTIONS.context.check("context", settings.context ?? EVALUATE_OPTIONS.context.fallback);
  const run = runContext(settings);
  const model = typeof settings.model === "string" ? await openModel(settings.model, run) : settings.model;
  const disposeModel = async (): Promise<void> => {
    if (typeof settings.model === "string") await model.dispose();
  };
  try {
    return taskScorer(model, openTask(model, read, run.warn), {
      context,
      anyWeights: settings.anyWeights === true,
      run,
      disposeModel,
    });
  } catch (error) {
    await disposeModel();
    throw error;
  }
};

interface ScorerParts {
  readonly context: number;
  readonly anyWeights: boolean;
  readonly run: RunContext;
  readonly disposeModel: () => Promise<void>;
}

const taskScorer = (
  model: TunableModel,
  task: OpenTask,
  { context, anyWeights, run, disposeModel }: ScorerParts,
): TaskScorer => {
  const longest = longestSequence(task);
  const warnOnce = warningOnce(run);
  let evaluator: TaskEvaluator | undefined;
  const read = (given: Plan | string): Plan => readPlan(given, model, { anyWeights, warn: warnOnce });
  return {
    read,
    score: async (given) => {
      // The plan is checked first: a typing mistake should not cost the loading of a model.
      const plan = read(given);
      warnOnce(unquantizedWarning(plan.layers, longest, "prompts"));
      evaluator ??= await task.support.evaluator(task.prompts, task.settings);
      const answers = await answersOf(plan, evaluator, run);
      for (const warning of unansweredWarnings(task, answers.float.correct)) warnOnce(warning);
      return resultOf(plan, task, answers, context);
    },
    dispose: async () => {
      await evaluator?.dispose();
      await disposeModel();
    },
  };
};

/** Prompts evaluated between two progress reports. */
const PIECE = 25;

/** What a plan and the float cache do with every prompt. */
interface Answers {
  readonly outcome: TaskOutcome;
  readonly float: TaskOutcome;
}

const answersOf = async (
  { layers }: Plan,
  evaluator: TaskEvaluator,
  { progress, signal }: RunContext,
): Promise<Answers> => {
  const [pieces, floats]: [TaskOutcome[], TaskOutcome[]] = [[], []];
  for (let start = 0; start < evaluator.prompts; start += PIECE) {
    const range = { start, end: start + PIECE, ...(signal && { signal }) };
    for (const piece of await evaluator.evaluate([layers], range)) pieces.push(piece);
    floats.push(await evaluator.float(range));
    progress({ step: "evaluate", done: Math.min(start + PIECE, evaluator.prompts), total: evaluator.prompts });
  }
  return { outcome: joined(pieces), float: joined(floats) };
};

const joined = (pieces: readonly TaskOutcome[]): TaskOutcome => ({
  correct: pieces.flatMap(({ correct }) => correct),
  kl: pieces.flatMap(({ kl }) => kl),
});

const resultOf = (plan: Plan, { names, fileOf }: OpenTask, answers: Answers, context: number): EvaluateTaskResult => {
  const bytesByPart = planBytes(plan, context);
  return {
    ...compared(answers),
    tasks: names.map((task, file) => ({ task, ...compared(ofFile(answers, fileOf, file)) })),
    correct: answers.outcome.correct,
    floatCorrect: answers.float.correct,
    bits: trueBits(plan, context),
    equivalentBits: equivalentBits(plan),
    bytes: bytesByPart.total,
    bytesByPart,
  };
};

const compared = ({ outcome, float }: Answers): TaskComparisonResult => {
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
