import { type CreateSession, type Decoder, FloatAttention, type Tokenizer } from "@kvtuner/decoder";
import type { LayerScheme } from "@kvtuner/plan";
import { assertLayers, EvaluationError } from "../evaluator.ts";
import type { Filling } from "../tree-run.ts";
import { answerNumbers } from "./answer-numbers.ts";
import type { EncodedPrompt } from "./encode-task.ts";
import { createForcedPass } from "./forced-pass.ts";
import type { TaskCache } from "./greedy-outputs.ts";
import { judge, type Likelihood } from "./judge.ts";
import { createRowScorer, type RowScorer } from "./row-scorer.ts";
import { sequencesOf } from "./sequence.ts";
import { TaskError } from "./task-file.ts";
import type { TaskOutcome } from "./task-score.ts";

/** Puts a task's prompts to plans, each as its cache would answer: the prompt quantized first, the answer on top of it. */
export interface TaskEvaluator {
  /** How many prompts there are. */
  readonly prompts: number;
  /** What the float32 cache answers. */
  float(range?: PromptRange): Promise<TaskOutcome>;
  /**
   * What plans answer, one layer scheme a layer. Plans that agree on their first layers share that work; neither order nor
   * batch nor range changes an outcome.
   *
   * @throws EvaluationError `EVALUATION_LAYERS` for a plan of another depth, `EVALUATION_NOT_FINITE` when numbers overflow
   */
  evaluate(plans: readonly (readonly LayerScheme[])[], options?: TaskEvaluateOptions): Promise<TaskOutcome[]>;
  /** Gives the scoring graphs back; the decoder stays. */
  dispose(): Promise<void>;
}

/** Prompts from `start` up to but not `end`; all by default. */
export interface PromptRange {
  readonly start?: number;
  readonly end?: number;
  /** Aborts between two layers, or two tokens. */
  readonly signal?: AbortSignal;
}

/** How plans are evaluated. */
export interface TaskEvaluateOptions extends PromptRange {
  /** Hears each plan as it is done, in the order of the tree of prefixes. */
  readonly onOutcome?: (plan: number, outcome: TaskOutcome) => void | Promise<void>;
}

/** What {@link createTaskEvaluator} takes. */
export interface TaskEvaluatorOptions {
  readonly decoder: Decoder;
  readonly tokenizer: Pick<Tokenizer, "decode" | "eosIds">;
  readonly prompts: readonly EncodedPrompt[];
  readonly createSession: CreateSession;
  /** Opens an empty cache under a plan, for answers that are numbers: they are generated. A backend's `createCache` does. */
  readonly openCache?: (layers: readonly LayerScheme[]) => Promise<TaskCache>;
  /** The most tokens of a generated output; 256 by default. */
  readonly maxTokens?: number;
  /** `sum` by default. */
  readonly likelihood?: Likelihood;
}

/**
 * Makes an evaluator of tasks in this process. The decoder stays the caller's to dispose of.
 *
 * @throws TaskError `TASK_EMPTY` without prompts, `TASK_NO_CACHE` for numbers without a cache to generate them on
 */
export const createTaskEvaluator = async (options: TaskEvaluatorOptions): Promise<TaskEvaluator> => {
  const { decoder, prompts, createSession, openCache } = options;
  assertAnswerable(options);
  const scorer = await createRowScorer(decoder, createSession);
  const ask = createAsking(options, scorer);
  const known = new Map<number, FloatAnswer>();
  const floatAnswers = async (indices: readonly number[], signal?: AbortSignal): Promise<FloatAnswer[]> => {
    const missing = indices.filter((index) => !known.has(index));
    await ask({
      indices: missing,
      plans: [Array.from({ length: decoder.shape.layers })],
      openCache: async () => new FloatAttention(decoder.shape, decoder.attention),
      take: async (_, { correct }, residuals) => {
        for (const [place, index] of missing.entries())
          known.set(index, { correct: correct[place]!, residuals: residuals[place]! });
      },
      ...(signal && { signal }),
    });
    return indices.map((index) => known.get(index)!);
  };
  return {
    prompts: prompts.length,
    float: async ({ signal, ...range } = {}) => {
      const answers = await floatAnswers(indicesOf(range, prompts.length), signal);
      return { correct: answers.map(({ correct }) => correct), kl: answers.map(() => 0) };
    },
    evaluate: async (plans, { onOutcome, signal, ...range } = {}) => {
      for (const plan of plans) assertLayers(plan, decoder.shape);
      const indices = indicesOf(range, prompts.length);
      const base = (await floatAnswers(indices, signal)).map(({ residuals }) => residuals);
      const outcomes: TaskOutcome[] = [];
      await ask({
        indices,
        plans,
        openCache: async (plan) => openCache!(plans[plan]!),
        base,
        take: async (plan, outcome) => {
          outcomes[plan] = finite(outcome);
          await onOutcome?.(plan, outcome);
        },
        ...(signal && { signal }),
      });
      return outcomes;
    },
    dispose: () => scorer.dispose(),
  };
};

/** What the float cache makes of a prompt: last residuals of the rows that predict each of its answers. */
interface FloatAnswer {
  readonly correct: boolean;
  readonly residuals: readonly Float32Array[];
}

/** Some prompts put to some plans. */
interface Question {
  readonly indices: readonly number[];
  readonly plans: readonly (readonly Filling[])[];
  readonly openCache: (plan: number) => Promise<TaskCache>;
  /** The float cache's residuals of each prompt; the plan's own when absent. */
  readonly base?: readonly (readonly Float32Array[])[];
  readonly take: (plan: number, outcome: TaskOutcome, residuals: readonly (readonly Float32Array[])[]) => Promise<void>;
  readonly signal?: AbortSignal;
}

const createAsking = (
  { decoder, tokenizer, prompts, maxTokens = 256, likelihood = "sum" }: TaskEvaluatorOptions,
  scorer: RowScorer,
): ((question: Question) => Promise<void>) => {
  const forcedPass = createForcedPass(decoder);
  const rules = { scorer, endTokens: tokenizer.eosIds, likelihood };
  return async ({ indices, plans, openCache, base, take, signal }) => {
    if (indices.length === 0 || plans.length === 0) return;
    const chosen = indices.map((index) => prompts[index]!);
    const sequences = chosen.map(sequencesOf);
    const stopping = signal && { signal };
    const finish = async (plan: number, flat: readonly Float32Array[]): Promise<void> => {
      const residuals = grouped(flat, sequences);
      const verdicts = await judge(rules, chosen, sequences, residuals, base ?? residuals);
      const generating = { decoder, tokenizer, maxTokens, openCache: () => openCache(plan), ...stopping };
      const open = chosen.filter((_, index) => verdicts[index]!.correct === undefined);
      const generated = await answerNumbers(open, generating);
      const correct = verdicts.map((verdict) => verdict.correct ?? generated.shift()!);
      await take(plan, { correct, kl: verdicts.map(({ kl }) => kl) }, residuals);
    };
    await forcedPass({ sequences: sequences.flat(), plans, finish, ...stopping });
  };
};

/** A list cut as another one is. */
const grouped = <Item>(flat: readonly Item[], groups: readonly (readonly unknown[])[]): Item[][] => {
  let start = 0;
  return groups.map((group) => flat.slice(start, (start += group.length)));
};

const indicesOf = ({ start = 0, end = Infinity }: PromptRange, prompts: number): number[] =>
  Array.from({ length: Math.max(0, Math.min(end, prompts) - start) }, (_, index) => start + index);

const assertAnswerable = ({ prompts, openCache }: TaskEvaluatorOptions): void => {
  if (prompts.length === 0)
    throw new TaskError("TASK_EMPTY", "expected at least one prompt, got none; use a longer task");
  const generated = prompts.find(({ item }) => item.compare === "number");
  if (generated === undefined || openCache !== undefined) return;
  throw new TaskError(
    "TASK_NO_CACHE",
    `expected openCache, because line ${generated.item.line} asks for a number that is generated, got none; pass openCache`,
  );
};

/** Keys and values beyond float16 must not pass for a wrong answer. */
const finite = (outcome: TaskOutcome): TaskOutcome => {
  const broken = outcome.kl.findIndex((kl) => !Number.isFinite(kl));
  if (broken < 0) return outcome;
  throw new EvaluationError(
    "EVALUATION_NOT_FINITE",
    `expected a finite loss on every prompt, got KL ${outcome.kl[broken]}; the model's keys, values or weights are NaN or exceed float16`,
  );
};
