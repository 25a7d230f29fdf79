import type { Score } from "@kvtuner/evaluation";
import {
  type CacheShape,
  KvtunerError,
  layerBytes,
  layerShape,
  planSize,
  schemeFault,
  storedNumbers,
  tensorShape,
} from "@kvtuner/plan";
import { exactBytes } from "../limits/bytes.ts";
import type { Callbacks } from "../progress.ts";
import { channelRanges } from "../runtimes/channel-ranges.ts";
import { isQuantized, type Runtime, type RuntimeSetting } from "../runtimes/runtime.ts";
import { thenDispose } from "../then-dispose.ts";
import type { TunableModel } from "../tunable-model.ts";
import { settingLosses } from "./setting-losses.ts";
import { shortlist, type SizedSetting } from "./shortlist.ts";

/** What to advise on. */
export interface AdviceRequest {
  readonly runtime: Runtime;
  /** Text, as token ids; samples have one length. */
  readonly samples: readonly Int32Array[];
  /** Tokens at which bytes are counted. */
  readonly context: number;
  /** Most bytes that the cache may take at the context. */
  readonly budget?: number | undefined;
  /** 32-bit seed of the labels. */
  readonly seed: number;
}

/** A setting, its size and what it loses. */
export interface AdvisedSetting extends Omit<SizedSetting, "layers">, Omit<Score, "sampleKl"> {}

/** A runtime's settings for a model, best first. */
export interface Advice {
  readonly runtime: string;
  readonly context: number;
  readonly budget?: number;
  /** Bytes of the 16-bit cache at the context. */
  readonly bytes16: number;
  /** Settings that were considered within the budget, of which the most promising were measured. */
  readonly considered: number;
  /** By KL, least first. */
  readonly settings: readonly AdvisedSetting[];
}

/**
 * Ranks a runtime's settings on a model: estimates the loss of all from gradients, and measures those that could be best within the
 * budget.
 *
 * @throws AdviceError `ADVICE_NO_SETTING` when the runtime cannot quantize the model's heads, `BUDGET_TOO_SMALL` when no setting fits
 */
export const adviseModel = async (
  model: TunableModel,
  request: AdviceRequest,
  callbacks: Callbacks,
): Promise<Advice> => {
  const { runtime, samples, context, budget } = request;
  const { shape } = model;
  // Of one sample, so that the others show what numbers beyond the ranges lose.
  const ranged = runtime.needsRanges === true ? samples.slice(0, 1) : [];
  const ranges = ranged.length > 0 ? await channelRanges(model, ranged, callbacks.signal) : [];
  const sized = (setting: RuntimeSetting): SizedSetting => {
    const { bytes, bits } = planSize({ ...setting, shape }, context);
    return { ...setting, bytes, bits };
  };
  const uniform = fitting(model, runtime.settings({ shape, ranges }).filter(quantizes), runtime).map(sized);
  if (leastBytes(shape, uniform, context) > (budget ?? Infinity)) throw budgetError(uniform, request);
  const losses = await estimated(model, uniform, request, callbacks);
  const mixed = runtime.mixed?.(uniform, losses, { shape, ranges }).filter(quantizes).map(sized) ?? [];
  const mixedLosses = mixed.length > 0 ? lossesOfMixed(mixed, uniform, losses) : [];
  const all = [...uniform, ...mixed].map((setting, index) => ({
    setting,
    estimate: total(losses[index] ?? mixedLosses[index - uniform.length]!),
  }));
  const within = all.filter(({ setting }) => setting.bytes <= (budget ?? Infinity));
  if (within.length === 0) throw budgetError([...uniform, ...mixed], request);
  return {
    runtime: runtime.name,
    context,
    ...(budget !== undefined && { budget }),
    bytes16: 2 * storedNumbers(shape, context),
    considered: within.length,
    settings: await measured(model, shortlist(within), request, callbacks),
  };
};

/** Settings of single layers come from these, or are in 16 bits: none takes fewer bytes than each layer's least. */
const leastBytes = (shape: CacheShape, settings: readonly SizedSetting[], context: number): number => {
  let bytes = 0;
  for (let layer = 0; layer < shape.layers; layer++) {
    const own = layerShape(shape, layer);
    bytes += Math.min(...settings.map(({ layers }) => layerBytes(layers[layer]!, own, context).total));
  }
  return bytes;
};

const total = (losses: readonly number[]): number => losses.reduce((sum, loss) => sum + loss, 0);

/** Whether any layer is not in 16 bits. A type that skips layers by itself, with more skipped, may leave none in a small model. */
const quantizes = ({ layers }: RuntimeSetting): boolean => layers.some(isQuantized);

/** Drops settings that do not fit the model's heads. */
const fitting = (
  { shape }: TunableModel,
  settings: readonly RuntimeSetting[],
  { name, limits }: Runtime,
): RuntimeSetting[] => {
  const faultOf = ({ layers }: RuntimeSetting): string | undefined =>
    layers
      .flatMap((layer, index) =>
        (["key", "value"] as const).map((tensor) =>
          schemeFault(layer[tensor], tensorShape(layerShape(shape, index), tensor)),
        ),
      )
      .find((fault) => fault !== undefined);
  const fit = settings.filter((setting) => faultOf(setting) === undefined);
  if (fit.length > 0) return fit;
  throw new AdviceError(
    "ADVICE_NO_SETTING",
    `expected ${limits}, which ${name} can quantize, got heads of ${shape.headSize}; its cache of this model stays in 16 bits`,
  );
};

const estimated = async (
  { gradients, evaluator, shape }: TunableModel,
  settings: readonly RuntimeSetting[],
  { samples, seed }: AdviceRequest,
  { progress, signal }: Callbacks,
): Promise<number[][]> => {
  const onLayer = (done: number): void => progress({ step: "profile", done, total: shape.layers });
  const layers = settings.map((setting) => setting.layers);
  if (gradients !== undefined) return settingLosses(gradients, samples[0]!, layers, { seed, signal, onLayer });
  // A model without gradients: one run for each setting, on one sample. Layers are taken to share the loss evenly.
  const scorer = await evaluator(samples.slice(0, 1));
  const scores = await thenDispose(
    () => scorer.evaluate(layers, { ...(signal && { signal }) }),
    () => scorer.dispose(),
  );
  return scores.map(({ kl }) => Array.from({ length: shape.layers }, () => kl / shape.layers));
};

/** Losses of settings whose layers are each one of a uniform setting's, or in 16 bits. */
const lossesOfMixed = (
  mixed: readonly RuntimeSetting[],
  uniform: readonly RuntimeSetting[],
  losses: readonly (readonly number[])[],
): number[][] =>
  mixed.map(({ layers }) =>
    layers.map((layer, index) => {
      const known = uniform.findIndex((setting) => setting.layers[index] === layer);
      return known === -1 ? 0 : losses[known]![index]!;
    }),
  );

const measured = async (
  model: TunableModel,
  settings: readonly SizedSetting[],
  { runtime: { queries }, samples }: AdviceRequest,
  { progress, signal }: Callbacks,
): Promise<AdvisedSetting[]> => {
  const evaluator = await model.evaluator(samples);
  let done = 0;
  const onScore = (): void => progress({ step: "evaluate", done: ++done, total: settings.length });
  const scores = await thenDispose(
    () =>
      evaluator.evaluate(
        settings.map(({ layers }) => layers),
        { queries, onScore, ...(signal && { signal }) },
      ),
    () => evaluator.dispose(),
  );
  return settings
    .map(({ layers: _, ...setting }, index) => {
      const { sampleKl, ...score } = scores[index]!;
      return { ...setting, ...score, ...(sampleKl.length === 1 && { klStandardError: 0 }) };
    })
    .toSorted((a, b) => a.kl - b.kl);
};

const budgetError = (settings: readonly SizedSetting[], { runtime, budget, context }: AdviceRequest): AdviceError => {
  const smallest = settings.toSorted((a, b) => a.bytes - b.bytes)[0]!;
  return new AdviceError(
    "BUDGET_TOO_SMALL",
    `expected a budget that some setting of ${runtime.name} meets, got ${exactBytes(budget!)}; the smallest, ${smallest.label}, takes ` +
      `${exactBytes(smallest.bytes)} at ${context} tokens; raise --budget or shorten --context`,
  );
};

/** No setting of a runtime can be advised; `code` says why. */
export class AdviceError extends KvtunerError {
  override readonly name = "AdviceError";
}
