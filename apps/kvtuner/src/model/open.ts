import { batchContinuations, layerRopes, measureDistributions } from "@kvtuner/decoder";
import { attentionGradients, createEvaluator, gradientMemory, scoringBytes, trace } from "@kvtuner/evaluation";
import type { ModelIdentity } from "@kvtuner/plan";
import { DRAWS, warnOnce, type TunableModel } from "@kvtuner/tuning";
import { distributionsOf } from "./distributions.ts";
import type { ContextOption } from "./header.ts";
import type { BesideMemory } from "./memory.ts";
import type { ModelAccess } from "./resolve.ts";
import { type ModelSizes, openRunnableModel } from "./runnable-model.ts";
import { createSession } from "./session.ts";
import { openSpillFile } from "./spill-file.ts";
import { openTaskEvaluator } from "./task-evaluator.ts";

/** What a model is opened for. */
export interface OpenOptions extends ContextOption {
  /** Samples whose gradients are computed at once, for the memory that is stated and checked; none by default. */
  readonly gradients?: GradientSamples | ((identity: ModelIdentity) => Promise<GradientSamples | undefined>);
}

/** Samples of one length. */
export interface GradientSamples {
  readonly samples: number;
  /** Tokens of a sample. */
  readonly sampleLength: number;
}

/**
 * Opens a model, given as to `resolveModel`. Reads and checks the header now, and loads the
 * weights on first use.
 *
 * @param options the longest sequence to run; a longer one fails with `MODEL_ROPE_CONTEXT` if the model's RoPE depends on it
 *
 * @throws KvtunerError when there is no such file, the model cannot be run, or it or the gradients do not fit the memory
 */
export const openModel = async (
  model: string,
  access: ModelAccess,
  { gradients, ...intended }: OpenOptions = {},
): Promise<TunableModel> => {
  const beside = async (sizes: ModelSizes, identity: ModelIdentity): Promise<BesideMemory> =>
    evaluationMemory(sizes, typeof gradients === "function" ? await gradients(identity) : gradients);
  const runnable = { ...intended, createSession, weights: "exact", weightsAreFixed: true, beside } as const;
  const opened = await openRunnableModel(model, runnable, access);
  const { identity, shape, contextLength, tokenizer, load, dispose } = opened;
  const { startIds, bosId, eosIds } = tokenizer;
  const { warn } = warnOnce(access);
  const encode = (text: string): Int32Array => tokenizer.encode(text);
  const endTokens = [...eosIds, ...(bosId === undefined ? [] : [bosId])];
  return {
    identity,
    shape,
    encode,
    startIds,
    distributions: async () =>
      opened.isExport ? measureDistributions(await load()) : distributionsOf(opened.paths[0]),
    continuations: async (prompts, options) =>
      batchContinuations(await load(), prompts.map(encode), { ...options, endTokens }),
    evaluator: async (samples) => {
      if (samples.some(({ length }) => length > contextLength)) warn(untrained(contextLength));
      return createEvaluator({ decoder: await load(), samples, createSession, ...ACTIVATIONS });
    },
    tasks: {
      tokenizer,
      contextLength,
      evaluator: async (prompts, options) =>
        openTaskEvaluator({
          ...options,
          decoder: await load(),
          tokenizer,
          prompts,
          createSession,
          ...ACTIVATIONS,
        }),
    },
    // Graphs of exported models have operators without a known derivative.
    ...(!opened.isExport && {
      gradients: async (samples, options, visit) =>
        attentionGradients(await load(), samples, { ...options, ...ACTIVATIONS, createSession }, visit),
    }),
    ropes: async () => layerRopes(await load()),
    trace: async (sample, visit) => trace(await load(), sample, visit),
    dispose,
  };
};

/**
 * Plans run together until 4096 tokens pass a segment, so that reading it costs little and the float cache's logits are computed
 * once for several plans. A run that is killed loses no more than these plans.
 */
const ACTIVATIONS = {
  openSpill: openSpillFile,
  memoryBytes: 2 ** 28,
  rowsPerSegment: 4096,
  keptBaseBytes: 0,
};

/** Memory of evaluations beside the model, at most: activations beyond are spilled. Gradients are computed before or after them. */
const evaluationMemory = (
  { config, shape, vocabularySize }: ModelSizes,
  gradients: GradientSamples | undefined,
): BesideMemory => {
  const { memoryBytes } = ACTIVATIONS;
  const scoring = memoryBytes + scoringBytes(vocabularySize);
  const without = { peakBytes: scoring, anonymousBytes: scoring };
  if (!config || !gradients) return without;
  const work = { ...gradients, draws: DRAWS, memoryBytes };
  const { anonymousBytes, mappedBytes } = gradientMemory({ config, shape, vocabularySize }, work);
  return {
    peakBytes: Math.max(scoring, anonymousBytes + mappedBytes),
    anonymousBytes: Math.max(scoring, anonymousBytes),
    avoidable: { name: gradientsOf(gradients), advice: LESS_GRADIENTS, without },
  };
};

const gradientsOf = ({ samples, sampleLength }: GradientSamples): string =>
  `the gradients of ${samples} ${samples === 1 ? "sample" : "samples"} of ${sampleLength} tokens`;

const LESS_GRADIENTS = "use fewer --samples, a shorter --sample-length, or --measure kl, which needs none";

const untrained = (contextLength: number): string =>
  `the model was trained on ${contextLength} tokens; on longer samples it predicts poorly, so a plan's loss means little; use a shorter --sample-length`;
