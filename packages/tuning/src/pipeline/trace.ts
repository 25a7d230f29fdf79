import { attentionOf, layerShape, type LayerShape, type TensorScheme } from "@kvtuner/plan";
import { fakeQuantize } from "@kvtuner/quantizers";
import { measureLayerErrors, sampleQueries, type HeadErrors, type ReadVersion } from "@kvtuner/sensitivity";
import type { Callbacks } from "../progress.ts";
import type { SearchSpace } from "../space/space.ts";
import type { Journal } from "../storage/journal.ts";
import type { LayerTrace, TunableModel } from "../tunable-model.ts";
import type { ProfileEntry } from "./profile-entry.ts";

/** Input of {@link traceErrors}. */
export interface TraceInputs {
  readonly model: Pick<TunableModel, "trace">;
  readonly space: SearchSpace;
  readonly samples: readonly Int32Array[];
  readonly journal: Journal<ProfileEntry>;
  readonly callbacks: Callbacks;
}

/** Number of samples traced. Errors differ far more between layers than between texts. */
export const TRACE_SAMPLES = 2;

/** Whether errors are measured: not for choices with tables or schemes of their own in each layer, which the paper does not have. */
export const tracesErrors = ({ choices, assets }: Pick<SearchSpace, "choices" | "assets">): boolean =>
  assets === undefined && choices.every(({ layers }) => layers === undefined);

/** Query positions measured in a sample: evenly spread, including the last. */
const QUERY_POSITIONS = 32;

/**
 * Appends e_k, e_v, e_a and e_o of every choice, layer by layer, for the first {@link TRACE_SAMPLES} samples. As in the
 * paper, all tokens are quantized, whatever residency the mode has; a last block that is not full stays exact.
 */
export const traceErrors = async ({ model, space, samples, journal, callbacks }: TraceInputs): Promise<void> => {
  const traced = samples.slice(0, TRACE_SAMPLES);
  const known = new Set(
    journal.entries.map((entry) => (entry.kind === "errors" ? `${entry.sample} ${entry.layer}` : "")),
  );
  const { layers } = space.shape;
  for (const [sample, ids] of traced.entries()) {
    if (Array.from({ length: layers }, (_, layer) => layer).every((layer) => known.has(`${sample} ${layer}`))) continue;
    await model.trace(ids, async (layer, trace) => {
      callbacks.signal?.throwIfAborted();
      if (known.has(`${sample} ${layer}`)) return;
      await appendErrors({ space, journal }, { layer, sample, trace, tokens: ids.length });
      callbacks.progress({ step: "trace", done: sample * layers + layer + 1, total: traced.length * layers });
    });
  }
};

/** A layer of a sample. */
interface Traced {
  readonly layer: number;
  readonly sample: number;
  readonly trace: LayerTrace;
  readonly tokens: number;
}

/** Appends the errors of one layer on one sample. */
export const appendErrors = async (
  { space, journal }: Pick<TraceInputs, "space" | "journal">,
  { layer, sample, trace, tokens }: Traced,
): Promise<void> => journal.append({ kind: "errors", layer, sample, errors: layerErrors(space, layer, trace, tokens) });

/** Errors by choice. Each distinct tensor scheme is applied once; every key scheme is measured with every value scheme. */
const layerErrors = (space: SearchSpace, layer: number, trace: LayerTrace, tokens: number): HeadErrors[] => {
  const shape = layerShape(space.shape, layer);
  const schemes = space.choices.map(({ scheme }) => scheme);
  const versions = (source: Float32Array, tensor: "key" | "value"): ReadVersion[] =>
    readVersions(
      shape,
      source,
      tokens,
      schemes.map((scheme) => scheme[tensor]),
    );
  const measured = measureLayerErrors({
    ...sampleQueries(trace.query, tokens, QUERY_POSITIONS),
    key: trace.key,
    value: trace.value,
    shape,
    attention: attentionOf(space.shape, layer),
    keys: versions(trace.key, "key"),
    values: versions(trace.value, "value"),
  });
  const byPair = new Map(measured.map(({ keyId, valueId, errors }) => [keyId + valueId, errors]));
  return schemes.flatMap(({ key, value }) => byPair.get(idOf(key) + idOf(value)) ?? []);
};

const idOf = (scheme: TensorScheme): string => JSON.stringify(scheme);

const readVersions = (
  { kvHeads, headSize }: LayerShape,
  source: Float32Array,
  tokens: number,
  schemes: readonly TensorScheme[],
): ReadVersion[] => {
  const distinct = new Map(schemes.map((scheme) => [idOf(scheme), scheme]));
  return [...distinct].map(([id, scheme]) => {
    const hat = new Float32Array(source.length);
    fakeQuantize(source, hat, { tokens, heads: kvHeads, headSize }, scheme);
    return { id, hat, range: () => ({ start: 0, end: Infinity }) };
  });
};
