import { taskScore, type Evaluator, type Score, type TaskEvaluator } from "@kvtuner/evaluation";
import {
  type Asset,
  cachePlaces,
  layerShape,
  parseShorthand,
  storedNumbers,
  type CacheShape,
  type LayerScheme,
} from "@kvtuner/plan";
import type { HeadErrors, Profile } from "@kvtuner/sensitivity";
import { z } from "zod";
import { schemeAt, type SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import { halfEstimateSchema, headErrorsSchema, type ProfileEntry } from "./profile-entry.ts";
import { traceErrors, tracesErrors, type TraceInputs } from "./trace.ts";

/** Schema of `profile.json`, a {@link Profile}. The shape is not checked, since the settings of the study hold it too. */
export const profileSchema = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">) => {
  const candidate = z.object({
    id: z.string(),
    bits: z.number(),
    errors: headErrorsSchema,
    kl: z.number().exactOptional(),
    estimate: z.number().exactOptional(),
  });
  const half = z.object({ ...halfEstimateSchema.shape, kl: z.number().exactOptional() });
  const layer = z.object({
    layer: z.int().min(0).lt(shape.layers),
    candidates: z.array(candidate).length(choices.length),
    halves: z.array(half).exactOptional(),
    additivity: z.number().exactOptional(),
  });
  return z.object({
    version: z.literal(1),
    shape: z.custom<CacheShape>(),
    contextLength: z.number(),
    layers: z.array(layer).length(shape.layers),
  });
};

/** `profile.json`. */
export type StoredProfile = Stored<ReturnType<typeof profileSchema>>;

/**
 * Measures every choice at every layer. Each single-layer evaluation and each layer's errors are stored in `profile.jsonl` before
 * the next one starts, so a resumed run does not repeat them.
 */
export const profileStep = async (inputs: TraceInputs, losses: PlanLosses): Promise<StoredProfile> => {
  await measureSingleLayers(inputs, losses);
  if (tracesErrors(inputs.space)) await traceErrors(inputs);
  return assemble(inputs.space, inputs.journal.entries);
};

/** Single-layer losses are scored at every other position. They only rank choices, and the output matrix is a large share of a small model. */
const PROFILE_STRIDE = 2;

/** Number of prompts on which single-layer losses are measured. */
export const PROFILE_PROMPTS = 50;

/** Mean KL to the float cache, nats a token. */
export type Loss = Pick<Score, "kl" | "klStandardError">;

/** Measures the losses of plans one by one and reports each. */
export type PlanLosses = (
  plans: readonly (readonly LayerScheme[])[],
  onLoss: (index: number, loss: Loss) => Promise<void>,
  signal?: AbortSignal,
) => Promise<void>;

/** Losses on samples of text. */
export const textLosses =
  (evaluator: () => Promise<Evaluator>, assets?: readonly Asset[]): PlanLosses =>
  async (plans, onScore, signal) => {
    const scorer = await evaluator();
    await scorer.evaluate(plans, { assets, onScore, positionStride: PROFILE_STRIDE, ...(signal && { signal }) });
  };

/** Losses on the answers to a task's first prompts. */
export const taskLosses =
  (evaluator: () => Promise<TaskEvaluator>, assets?: readonly Asset[]): PlanLosses =>
  async (plans, onLoss, signal) => {
    const scorer = await evaluator();
    await scorer.evaluate(plans, {
      assets,
      end: PROFILE_PROMPTS,
      onOutcome: (index, outcome) => onLoss(index, taskScore(outcome)),
      ...(signal && { signal }),
    });
  };

interface Single {
  readonly layer: number;
  readonly choice: number;
}

const measureSingleLayers = async ({ space, callbacks, journal }: TraceInputs, losses: PlanLosses): Promise<void> => {
  const known = new Set(journal.entries.map((entry) => (entry.kind === "kl" ? `${entry.layer} ${entry.choice}` : "")));
  const all = singles(space);
  const missing = all.filter(({ layer, choice }) => !known.has(`${layer} ${space.choices[choice]?.id}`));
  if (missing.length === 0) return;
  const record = async (index: number, { kl, klStandardError }: Loss): Promise<void> => {
    const { layer, choice } = missing[index] ?? { layer: -1, choice: -1 };
    const { id = "", label = "" } = space.choices[choice] ?? {};
    await journal.append({ kind: "kl", layer, choice: id, kl, klStandardError: finite(klStandardError) });
    const done = journal.entries.filter((entry) => entry.kind === "kl").length;
    callbacks.progress({
      step: "profile",
      done,
      total: all.length,
      note: `layer ${cachePlaces(space.shape)[layer]} ${label} KL ${kl.toPrecision(3)}`,
    });
    callbacks.signal?.throwIfAborted();
  };
  const plans = missing.map((single) => singleLayerPlan(space, single));
  await losses(plans, record, callbacks.signal);
};

const singles = ({ shape, choices }: SearchSpace): Single[] =>
  Array.from({ length: shape.layers }, (_, layer) => choices.map((_choice, choice) => ({ layer, choice }))).flat();

const singleLayerPlan = ({ shape, choices }: SearchSpace, { layer, choice }: Single): LayerScheme[] => {
  const exact = parseShorthand("none").layer;
  const layers = Array<LayerScheme>(shape.layers).fill(exact);
  return layers.with(layer, choices[choice] ? schemeAt(choices[choice], layer) : exact);
};

const assemble = (space: SearchSpace, entries: readonly ProfileEntry[]): StoredProfile => ({
  version: 1,
  shape: space.shape,
  contextLength: space.context,
  layers: Array.from({ length: space.shape.layers }, (_, layer) => {
    const ofLayer = entries.filter((entry) => entry.kind !== "exact" && entry.layer === layer);
    return { layer, candidates: space.choices.map((_choice, choice) => candidate(space, { layer, choice }, ofLayer)) };
  }),
});

const candidate = (
  space: SearchSpace,
  { layer, choice }: Single,
  entries: readonly ProfileEntry[],
): StoredProfile["layers"][number]["candidates"][number] => {
  const { id = "" } = space.choices[choice] ?? {};
  const single = entries.find((entry) => entry.kind === "kl" && entry.choice === id);
  return {
    id,
    bits: bitsPerNumber(space, layer, choice),
    errors: meanErrorsOf(entries, layer, choice),
    kl: single?.kind === "kl" ? single.kl : Number.NaN,
  };
};

/** Cost of a choice in its layer, per stored number. */
export const bitsPerNumber = (
  { shape, context, cost, bytes, codeBits }: SearchSpace,
  layer: number,
  choice: number,
): number =>
  cost === "true"
    ? (8 * (bytes[layer]?.[choice] ?? Number.NaN)) / storedNumbers({ ...layerShape(shape, layer), layers: 1 }, context)
    : (codeBits[layer]?.[choice] ?? Number.NaN) / 2;

/** Mean attention errors of a choice in a layer over the traced samples. */
export const meanErrorsOf = (entries: readonly ProfileEntry[], layer: number, choice: number): HeadErrors =>
  meanErrors(
    entries.flatMap((entry) => (entry.kind === "errors" && entry.layer === layer ? (entry.errors[choice] ?? []) : [])),
  );

const meanErrors = (samples: readonly HeadErrors[]): HeadErrors => ({
  key: meanByHead(samples.map(({ key }) => key)),
  value: meanByHead(samples.map(({ value }) => value)),
  attention: meanByHead(samples.map(({ attention }) => attention)),
  output: meanByHead(samples.map(({ output }) => output)),
});

const meanByHead = (samples: readonly (readonly number[])[]): number[] =>
  (samples[0] ?? []).map((_, head) => samples.reduce((sum, heads) => sum + (heads[head] ?? 0), 0) / samples.length);

/** With one sample there is no standard error; it is stored as 0. */
const finite = (value: number): number => (Number.isFinite(value) ? value : 0);

/** Whether gradients estimated the profile. */
export const isEstimated = ({ layers }: Pick<Profile, "layers">): boolean =>
  layers.some(({ halves }) => halves !== undefined);

/** Single-layer KL by layer and choice, measured or estimated. */
export const lossTable = (profile: Profile): number[][] =>
  profile.layers.map(({ candidates }) => candidates.map(({ kl, estimate }) => kl ?? estimate ?? 0));
