import { attentionOf, type CacheShape, KvtunerError, layerShape, type Residency, tensorShape } from "@kvtuner/plan";
import { addCacheGradients, type CacheGradients } from "@kvtuner/sensitivity";
import type { Callbacks } from "../../progress.ts";
import type { PlaceGradients, TunableModel } from "../../tunable-model.ts";

/** Keys or values of one KV head over all samples, and their gradients. Only tokens that a later query reads as codes. */
export interface HeadRows {
  readonly size: number;
  /** `[tokens, size]`, row-major. */
  readonly rows: Float32Array;
  /** By draw of labels, laid out as `rows`. */
  readonly gradients: readonly Float32Array[];
  /** Position of each row. */
  readonly positions: Int32Array;
}

/** Keys and values of one layer, by KV head. */
export interface LayerRows {
  readonly layer: number;
  readonly key: readonly HeadRows[];
  readonly value: readonly HeadRows[];
}

/** What is sampled. */
export interface CacheSampleOptions {
  readonly residency: Pick<Residency, "sinks" | "recent">;
  /** Random combinations of labels, each with its own gradient. */
  readonly draws: number;
  readonly seed: number;
  readonly callbacks: Callbacks;
  /**
   * Called where a layer reads its own cache, for each sample in order, before the rows of the layer are visited.
   *
   * @param seen the rows of the samples so far, this one included
   */
  readonly each?: (place: PlaceGradients, seen: () => LayerRows) => Promise<void>;
}

/**
 * Runs a model forward and backward over samples of text and visits every layer with a cache, from the last to the first, with what
 * it stores and the gradients by that of the log-likelihood of predicted labels. Holds the rows of one layer at a time.
 *
 * @throws CalibrationError `CALIBRATION_NO_BACKWARD` for a model that cannot run backward, `CALIBRATION_TEXT_TOO_SHORT`
 */
export const visitCacheRows = async (
  model: TunableModel,
  samples: readonly Int32Array[],
  { residency, draws, seed, callbacks, each }: CacheSampleOptions,
  visit: (rows: LayerRows) => void,
): Promise<void> => {
  if (!model.gradients) throw noGradients();
  assertEnough(model.shape, samples, residency);
  const { signal } = callbacks;
  const open = new Map<string, CacheGradients[]>();
  const done: SampleRows[] = [];
  let visited = 0;
  const options = { draws, seed, counts: () => true, ...(signal && { signal }) };
  await model.gradients(samples, options, async (place) => {
    signal?.throwIfAborted();
    const key = `${place.layer}:${place.sample}`;
    const gradients = open.get(key) ?? place.gradients.map(() => emptyGradients(place));
    open.set(key, gradients);
    addPlace(model.shape, place, residency, gradients);
    if (!place.isOwn) return;
    open.delete(key);
    done.push(codedRows(model.shape, place, gradients, residency));
    await each?.(place, () => layerRows(model.shape, place.layer, done));
    if (place.sample < samples.length - 1) return;
    visit(layerRows(model.shape, place.layer, done.splice(0)));
    callbacks.progress({ step: "tables", done: ++visited, total: model.shape.layers });
  });
};

/** Tokens that a channel of the largest head needs for a covariance that holds for other text. */
const TOKENS_PER_CHANNEL = 16;

const assertEnough = (
  shape: CacheShape,
  samples: readonly Int32Array[],
  { sinks, recent }: CacheSampleOptions["residency"],
): void => {
  const coded = samples.reduce((sum, { length }) => sum + Math.max(0, length - sinks - recent), 0);
  const sizes = Array.from({ length: shape.layers }, (_, layer) => layerShape(shape, layer));
  const largest = Math.max(...sizes.map(({ headSize, valueSize = 0 }) => Math.max(headSize, valueSize)));
  const needed = TOKENS_PER_CHANNEL * largest;
  if (coded >= needed) return;
  throw new CalibrationError(
    "CALIBRATION_TEXT_TOO_SHORT",
    `expected calibration samples with ${needed} tokens or more beside the ${sinks + recent} of each that stay in 16 bits ` +
      `(${TOKENS_PER_CHANNEL} for each of ${largest} channels), got ${coded}; use more or longer samples, or a longer text`,
  );
};

const emptyGradients = ({ trace }: PlaceGradients): CacheGradients => ({
  key: new Float32Array(trace.key.length),
  value: new Float32Array(trace.value.length),
});

const addPlace = (
  shape: CacheShape,
  { layer, trace, gradients }: PlaceGradients,
  residency: CacheSampleOptions["residency"],
  into: readonly CacheGradients[],
): void => {
  const own = layerShape(shape, layer);
  const queryHeads = trace.query.length / (trace.key.length / own.kvHeads);
  const reader = { ...trace, shape: { ...own, queryHeads, attention: attentionOf(shape, layer) } };
  for (const [draw, cotangent] of gradients.entries()) addCacheGradients(reader, cotangent, residency, into[draw]!);
};

type Tensor = "key" | "value";

/** Rows of one sample by tensor and KV head. */
type SampleRows = Readonly<Record<Tensor, readonly HeadRows[]>>;

const codedRows = (
  shape: CacheShape,
  { layer, trace }: PlaceGradients,
  gradients: readonly CacheGradients[],
  { sinks, recent }: CacheSampleOptions["residency"],
): SampleRows => {
  const rowsOf = (tensor: Tensor): HeadRows[] => {
    const { kvHeads, headSize: size } = tensorShape(layerShape(shape, layer), tensor);
    const tokens = trace[tensor].length / (kvHeads * size);
    const positions = Int32Array.from({ length: Math.max(0, tokens - sinks - recent) }, (_, row) => sinks + row);
    const rows = (source: Float32Array, head: number): Float32Array => {
      const target = new Float32Array(positions.length * size);
      for (const [row, position] of positions.entries()) {
        const start = (position * kvHeads + head) * size;
        target.set(source.subarray(start, start + size), row * size);
      }
      return target;
    };
    return Array.from({ length: kvHeads }, (_, head) => ({
      size,
      rows: rows(trace[tensor], head),
      gradients: gradients.map((own) => rows(own[tensor], head)),
      positions,
    }));
  };
  return { key: rowsOf("key"), value: rowsOf("value") };
};

const layerRows = (shape: CacheShape, layer: number, samples: readonly SampleRows[]): LayerRows => {
  const joined = (tensor: Tensor): HeadRows[] =>
    Array.from({ length: layerShape(shape, layer).kvHeads }, (_, head) =>
      joinRows(samples.map((sample) => sample[tensor][head]!)),
    );
  return { layer, key: joined("key"), value: joined("value") };
};

const joinRows = (parts: readonly HeadRows[]): HeadRows => ({
  size: parts[0]!.size,
  rows: joinFloats(parts.map(({ rows }) => rows)),
  gradients: parts[0]!.gradients.map((_, draw) => joinFloats(parts.map(({ gradients }) => gradients[draw]!))),
  positions: Int32Array.from(parts.flatMap(({ positions }) => Array.from(positions))),
});

const joinFloats = (parts: readonly Float32Array[]): Float32Array => {
  const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    joined.set(part, start);
    start += part.length;
  }
  return joined;
};

const noGradients = (): CalibrationError =>
  new CalibrationError(
    "CALIBRATION_NO_BACKWARD",
    "expected a model that can run backward, for tables are computed from gradients, got one that cannot; use a GGUF file of the model",
  );

/** Text or a model that tables cannot be computed from. */
export class CalibrationError extends KvtunerError {
  override readonly name = "CalibrationError";
}
