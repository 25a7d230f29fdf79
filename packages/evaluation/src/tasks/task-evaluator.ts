import { type CreateSession, type Decoder, FloatAttention, type Tokenizer } from "@kvtuner/decoder";
import type { Asset, LayerScheme, Plan } from "@kvtuner/plan";
import { type ActivationStore, createActivationStore } from "../activation-store.ts";
import { type ActivationOptions, storeOptionsOf } from "../activations.ts";
import { assertLayers, EvaluationError } from "../evaluator.ts";
import { answerNumbers } from "./answer-numbers.ts";
import type { EncodedPrompt } from "./encode-task.ts";
import { type ForcedPass, forcedPass } from "./forced-pass.ts";
import type { TaskCache } from "./greedy-outputs.ts";
import { judge, type Likelihood } from "./judge.ts";
import { createRowScorer, type RowScorer } from "./row-scorer.ts";
import { sequencesOf } from "./sequence.ts";
import { TaskError } from "./task-file.ts";
import type { TaskOutcome } from "./task-score.ts";

/** Evaluates plans on a task's prompts as each plan's cache would answer: the prompt is quantized first, the answer follows. */
export interface TaskEvaluator {
  /** Number of prompts. */
  readonly prompts: number;
  /** The float32 cache's outcome. */
  float(range?: PromptRange): Promise<TaskOutcome>;
  /**
   * Outcomes of plans, one layer scheme per layer. Plans that agree on their first layers share that work. Order, batch and
   * range never change an outcome.
   *
   * @throws EvaluationError `EVALUATION_LAYERS` for a plan with another number of layers, `EVALUATION_NOT_FINITE` on overflow
   */
  evaluate(plans: readonly (readonly LayerScheme[])[], options?: TaskEvaluateOptions): Promise<TaskOutcome[]>;
  /** Disposes of the scoring graphs and the spill file, but not of the decoder. */
  dispose(): Promise<void>;
}

/** Prompts from `start` to before `end`; all by default. */
export interface PromptRange {
  readonly start?: number;
  readonly end?: number;
  /** Aborts between two layers, or two tokens. */
  readonly signal?: AbortSignal;
}

/** How plans are evaluated. */
export interface TaskEvaluateOptions extends PromptRange {
  /** The assets of the plans, for schemes that name some. */
  readonly assets?: readonly Asset[] | undefined;
  /** Called for each plan, in the order of the prefix tree, as soon as the plans that run together with it are done. */
  readonly onOutcome?: (plan: number, outcome: TaskOutcome) => void | Promise<void>;
}

/** Arguments of {@link createTaskEvaluator}. */
export interface TaskEvaluatorOptions extends ActivationOptions {
  readonly decoder: Decoder;
  readonly tokenizer: Pick<Tokenizer, "decode" | "eosIds">;
  readonly prompts: readonly EncodedPrompt[];
  readonly createSession: CreateSession;
  /** Opens an empty cache under a plan, to generate answers that are numbers. A backend's `createCache` fits. */
  readonly openCache?: (plan: Pick<Plan, "layers" | "assets">) => Promise<TaskCache>;
  /** Maximum length of a generated output; 256 by default. */
  readonly maxTokens?: number;
  /** `sum` by default. */
  readonly likelihood?: Likelihood;
}

/**
 * Makes an evaluator of tasks in this process. The caller disposes of the decoder.
 *
 * @throws TaskError `TASK_EMPTY` without prompts, `TASK_NO_CACHE` for numbers without a cache to generate them on
 */
export const createTaskEvaluator = async (options: TaskEvaluatorOptions): Promise<TaskEvaluator> => {
  const { decoder, prompts, createSession, openCache } = options;
  assertAnswerable(options);
  const scorer = await createRowScorer(decoder, createSession);
  const store = createActivationStore(storeOptionsOf(options));
  const ask = createAsking(options, scorer, store);
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
    evaluate: async (plans, { assets, onOutcome, signal, ...range } = {}) => {
      for (const plan of plans) assertLayers(plan, decoder.shape);
      const indices = indicesOf(range, prompts.length);
      const base = (await floatAnswers(indices, signal)).map(({ residuals }) => residuals);
      const outcomes: TaskOutcome[] = [];
      await ask({
        indices,
        plans,
        assets,
        openCache: async (plan) => openCache!({ layers: plans[plan]!, ...(assets && { assets }) }),
        base,
        take: async (plan, outcome) => {
          outcomes[plan] = finite(outcome);
          await onOutcome?.(plan, outcome);
        },
        ...(signal && { signal }),
      });
      return outcomes;
    },
    dispose: async () => {
      await Promise.all([scorer.dispose(), store.dispose()]);
    },
  };
};

/** The float cache on a prompt: last residuals of the rows that predict each of its answers. */
interface FloatAnswer {
  readonly correct: boolean;
  readonly residuals: readonly Float32Array[];
}

/** Some prompts to evaluate under some plans. */
interface Question extends Pick<ForcedPass, "plans" | "assets" | "signal"> {
  readonly indices: readonly number[];
  readonly openCache: (plan: number) => Promise<TaskCache>;
  /** The float cache's residuals of each prompt; the plan's own when absent. */
  readonly base?: readonly (readonly Float32Array[])[];
  readonly take: (plan: number, outcome: TaskOutcome, residuals: readonly (readonly Float32Array[])[]) => Promise<void>;
}

const createAsking = (
  { decoder, tokenizer, prompts, maxTokens = 256, likelihood = "sum", ...activations }: TaskEvaluatorOptions,
  scorer: RowScorer,
  store: ActivationStore,
): ((question: Question) => Promise<void>) => {
  const rules = { scorer, endTokens: tokenizer.eosIds, likelihood };
  return async ({ indices, plans, assets, openCache, base, take, signal }) => {
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
    const held = { store, activations };
    await forcedPass(decoder, { sequences: sequences.flat(), plans, assets, finish, ...held, ...stopping });
  };
};

/** A list cut into pieces as long as those of another. */
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

/** Numbers that overflow float16 must not pass for a wrong answer. */
const finite = (outcome: TaskOutcome): TaskOutcome => {
  const broken = outcome.kl.findIndex((kl) => !Number.isFinite(kl));
  if (broken < 0) return outcome;
  throw new EvaluationError(
    "EVALUATION_NOT_FINITE",
    `expected a finite loss on every prompt, got KL ${outcome.kl[broken]}; the model's keys, values or weights are NaN or exceed float16`,
  );
};
