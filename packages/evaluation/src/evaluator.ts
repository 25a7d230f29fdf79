import type { CreateSession, Decoder } from "@kvtuner/decoder";
import { type Asset, type CacheShape, KvtunerError, type LayerScheme } from "@kvtuner/plan";
import { createActivationStore, useFirst } from "./activation-store.ts";
import { type ActivationOptions, plansTogether, storeOptionsOf } from "./activations.ts";
import { type RuntimeAttention, type RuntimeOptions, runtimeResiduals } from "./runtime-residuals.ts";
import { createSampleAttention, type QueryRounding } from "./sample-attention.ts";
import { joinSamples, type Score } from "./score.ts";
import { type BaseSample, createScorer, type SampleScore } from "./scorer.ts";
import { type Filling, type Finished, planTree, runTree, type TreeRun } from "./tree-run.ts";

/** Scores plans on fixed samples of text, exactly as a packed cache fed token by token would. */
export interface Evaluator {
  readonly shape: CacheShape;
  /** The float cache's own score. */
  base(): Promise<{ readonly perplexity: number; readonly tokens: number }>;
  /**
   * Scores plans, one layer scheme per layer. Plans that agree on their first layers share that work. Order and batch change
   * the cost but never a score.
   */
  evaluate(plans: readonly (readonly LayerScheme[])[], options?: EvaluateOptions): Promise<Score[]>;
  /**
   * Scores what a runtime computes. Feeds each sample in pieces to a new filler of the holes. With a plan's cache this equals
   * {@link Evaluator.evaluate} except for the rounding of the runtime's arithmetic.
   *
   * @param open makes an empty filler; called once per sample
   */
  scoreRuntime(open: () => Promise<RuntimeAttention>, options?: RuntimeOptions): Promise<Score>;
  /** Disposes of the scoring graphs and the spill file, but not of the decoder. */
  dispose(): Promise<void>;
}

/** Keeps the base's log-probabilities up to this size; beyond, computes them again for each group of plans. */
const KEPT_BASE_BYTES = 256 * 2 ** 20;

/** Options of a batch of plans. */
export interface EvaluateOptions {
  /** Called for each plan, in the order of the prefix tree, as soon as the plans that run together with it are done. */
  readonly onScore?: (index: number, score: Score) => void | Promise<void>;
  /**
   * Scores only positions 0, n, 2n, ... (default 1, all). Every position still runs through every layer but not through the
   * output matrix, which is a large share of a small model. For rankings, which tolerate a little noise.
   */
  readonly positionStride?: number;
  /** The assets of the plans, for schemes that name some. */
  readonly assets?: readonly Asset[] | undefined;
  /** For runtimes that round queries too, as some do to multiply them with quantized keys. The float cache's queries stay float32. */
  readonly queries?: QueryRounding | undefined;
  /** Aborts between two layers. */
  readonly signal?: AbortSignal;
}

/** Arguments of {@link createEvaluator}. */
export interface EvaluatorOptions extends ActivationOptions {
  readonly decoder: Decoder;
  /** Token ids. All samples have one length; each is a context of its own from position 0. */
  readonly samples: readonly Int32Array[];
  readonly createSession: CreateSession;
  /**
   * Bytes that the float cache's log-probabilities may take (default 256 MiB). If they need more, they are computed again for the
   * plans that run together.
   */
  readonly keptBaseBytes?: number;
}

/**
 * Makes an evaluator in this process. The caller disposes of the decoder.
 *
 * @throws EvaluationError `EVALUATION_SAMPLES` when there are no samples or their lengths differ
 */
export const createEvaluator = async ({
  decoder,
  samples,
  createSession,
  keptBaseBytes = KEPT_BASE_BYTES,
  ...activations
}: EvaluatorOptions): Promise<Evaluator> => {
  const length = sampleLength(samples);
  const tokens = length * samples.length;
  const baseBytes = 4 * decoder.vocabularySize * tokens;
  const store = createActivationStore(storeOptionsOf(activations));
  const scorer = await createScorer({ decoder, createSession, store, keepBase: baseBytes <= keptBaseBytes });
  const positions = decoder.positions(Array.from({ length }, (_, position) => position));
  const run = {
    decoder,
    samples,
    attention: createSampleAttention(decoder.shape, decoder.attention),
    positions: samples.map(() => positions),
    store,
    width: plansTogether(decoder, tokens, store, activations),
  };
  let base: BaseSample[] | undefined;
  const baseSamples = async (signal?: AbortSignal): Promise<BaseSample[]> =>
    (base ??= await runBase({ ...run, signal }, (residual, sample) => scorer.base(residual, samples[sample]!)));
  /** Scores of some plans, from the last residuals of each on a sample, which `onResiduals` passes to its `work`. */
  const scored = async (
    onResiduals: <Result>(
      sample: number,
      work: (residuals: readonly Float32Array[]) => Promise<Result>,
    ) => Promise<Result>,
    stride: number,
    signal?: AbortSignal,
  ): Promise<Score[]> => {
    const reference = await baseSamples(signal);
    const bySample: SampleScore[][] = [];
    for (const [sample, ids] of samples.entries())
      bySample.push(await onResiduals(sample, (residuals) => scorer.score(residuals, ids, reference[sample]!, stride)));
    const byPlan = bySample[0]!.map((_, plan) => bySample.map((scores) => scores[plan]!));
    return byPlan.map((parts) => joinSamples(parts, reference));
  };
  return {
    shape: decoder.shape,
    base: async () => {
      const losses = (await baseSamples()).map((sample) => sample.negativeLogLikelihood);
      const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
      return { perplexity: Math.exp(mean), tokens };
    },
    evaluate: async (plans, { assets, queries, onScore, positionStride = 1, signal } = {}) => {
      for (const plan of plans) assertLayers(plan, decoder.shape);
      await baseSamples(signal);
      const scores: Score[] = [];
      const finish = async (finished: readonly Finished[]): Promise<void> => {
        const scoredPlans = await scored(
          (sample, work) =>
            useFirst(
              finished.map(({ residuals }) => residuals[sample]!),
              work,
            ),
          positionStride,
        );
        for (const [place, score] of scoredPlans.entries())
          for (const index of finished[place]!.ends) {
            scores[index] = finite(score);
            await onScore?.(index, score);
          }
      };
      const attention = createSampleAttention(decoder.shape, decoder.attention, assets, queries);
      await runTree({ ...run, attention, finish, signal }, planTree(decoder.shape, plans));
      return scores;
    },
    scoreRuntime: async (open, options = {}) => {
      let done = 0;
      const onPiece = (count: number): void => options.onProgress?.((done += count), tokens);
      const residualsOf = async (ids: Int32Array): Promise<Float32Array> => {
        const attention = await open();
        try {
          return await runtimeResiduals(decoder, ids, attention, options, onPiece);
        } finally {
          await attention.dispose?.();
        }
      };
      const [score] = await scored(
        async (sample, work) => work([await residualsOf(samples[sample]!)]),
        1,
        options.signal,
      );
      return finite(score!);
    },
    dispose: async () => {
      await Promise.all([scorer.dispose(), store.dispose()]);
    },
  };
};

const runBase = async (
  run: Omit<TreeRun, "finish">,
  score: (residual: Float32Array, sample: number) => Promise<BaseSample>,
): Promise<BaseSample[]> => {
  const base: BaseSample[] = [];
  const finish = async ([only]: readonly Finished[]): Promise<void> => {
    for (const [sample, held] of only!.residuals.entries()) {
      base.push(await held.use(([residual]) => score(residual!, sample)));
    }
  };
  const floatPlan: Filling[] = Array.from({ length: run.decoder.shape.layers });
  await runTree({ ...run, finish }, planTree(run.decoder.shape, [floatPlan]));
  return base;
};

/** Numbers that overflow float16, or weights that are NaN, must not pass for a loss. */
const finite = (score: Score): Score => {
  if (Number.isFinite(score.kl) && Number.isFinite(score.perplexity)) return score;
  throw new EvaluationError(
    "EVALUATION_NOT_FINITE",
    `expected a finite loss, got KL ${score.kl} and perplexity ${score.perplexity}; the model's keys, values or weights are NaN or exceed float16`,
  );
};

const sampleLength = (samples: readonly Int32Array[]): number => {
  const length = samples[0]?.length ?? 0;
  if (length >= 2 && samples.every((sample) => sample.length === length)) return length;
  throw new EvaluationError(
    "EVALUATION_SAMPLES",
    `expected one sample or more, all of the same length of at least 2 tokens, got lengths [${samples.map((sample) => sample.length).join(", ")}]`,
  );
};

/** Rejects a plan whose number of layers is not the model's. */
export const assertLayers = (plan: readonly LayerScheme[], shape: CacheShape): void => {
  if (plan.length === shape.layers) return;
  throw new EvaluationError(
    "EVALUATION_LAYERS",
    `expected a plan of ${shape.layers} layers for this model, got ${plan.length}; use a plan made for this model`,
  );
};

/** Samples or plans that cannot be scored; `code` says why. */
export class EvaluationError extends KvtunerError {
  override readonly name = "EvaluationError";
}
