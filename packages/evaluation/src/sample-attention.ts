import type { AttentionCall, AttentionKernel } from "@kvtuner/decoder";
import {
  type Asset,
  type CacheShape,
  holeShape,
  holesOf,
  isCoded,
  type LayerScheme,
  type LayerShape,
  tensorShape,
  type TensorScheme,
} from "@kvtuner/plan";
import { fakeQuantize, roundArrayToFloat16 } from "@kvtuner/quantizers";
import { type ColumnChunk, columnChunks, geometryKey, type ColumnRange } from "./columns.ts";

/** Query, key and value of one layer and sample, float32 `[tokens, heads * headSize]`, after RoPE. */
export interface SampleTensors {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Attention over a whole sample, as a cache grown token by token computes it. Caches what schemes share. */
export interface SampleAttention {
  /**
   * Starts on the tensors of one hole.
   *
   * @param hole ordinal among all layers with attention; one that shares a cache gets the other layer's keys and values
   */
  layer(hole: number, tensors: SampleTensors): FillHole;
}

/**
 * Computes the attention of a hole under a scheme; `undefined` is the float32 cache.
 *
 * @param output float32 `[tokens, queryHeads * valueSize]`, written to
 * @param assets static tables that the scheme names, in place of those of all schemes
 */
export type FillHole = (
  scheme: LayerScheme | undefined,
  output: Float32Array,
  assets?: readonly Asset[],
) => Promise<void>;

/** How a runtime stores the queries of a layer while it reads a cache of this scheme; undefined for float32. */
export type QueryRounding = (scheme: LayerScheme) => TensorScheme | undefined;

/**
 * Makes the attention filler of the evaluator. Keys and values are rounded to float16 as they enter the cache.
 *
 * @param assets those of the plans, for schemes that name some
 * @param queries float32 by default
 */
export const createSampleAttention = (
  shape: CacheShape,
  kernel: AttentionKernel,
  assets?: readonly Asset[],
  queries?: QueryRounding,
): SampleAttention => {
  const chunksOf = memoizeChunks();
  const holes = holesOf(shape);
  return {
    layer: (hole, { query, key, value }) => {
      const own = holeShape(shape, holes[hole]!);
      const forms = {
        key: tensorForms(key, tensorShape(own, "key"), assets),
        value: tensorForms(value, tensorShape(own, "value"), assets),
      };
      const tokens = key.length / (own.kvHeads * own.headSize);
      const rounded = (scheme: TensorScheme | undefined): Float32Array => {
        if (scheme === undefined) return query;
        const target = query.slice();
        fakeQuantize(query, target, { tokens, heads: own.queryHeads, headSize: own.headSize }, scheme);
        return target;
      };
      return async (scheme, output, tables) => {
        const chunks = chunksOf(scheme, tokens, kernel.span(hole));
        const read = {
          key: scheme ? forms.key(scheme.key, scheme.residency.sinks, tables) : floatForm(key),
          value: scheme ? forms.value(scheme.value, scheme.residency.sinks, tables) : floatForm(value),
        };
        const asked = rounded(scheme && queries?.(scheme));
        await runChunks((call, part) => kernel.run(hole, call, part), asked, read, chunks, output);
      };
    },
  };
};

/** One tensor as stored: exact and quantized. */
interface TensorForm {
  readonly exact: Float32Array;
  readonly quantized: Float32Array;
}

const floatForm = (exact: Float32Array): TensorForm => ({ exact, quantized: exact });

const memoizeChunks = (): typeof columnChunks => {
  const known = new Map<string, ColumnChunk[]>();
  return (scheme, tokens, span) => {
    const key = `${tokens}:${span}:${scheme ? geometryKey(scheme) : "float"}`;
    const chunks = known.get(key) ?? columnChunks(scheme, tokens, span);
    known.set(key, chunks);
    return chunks;
  };
};

/** Quantizes one layer's keys or values under any scheme; once each, but for schemes with assets of their own. */
const tensorForms = (
  source: Float32Array,
  { kvHeads: heads, headSize }: LayerShape,
  assets: readonly Asset[] | undefined,
): ((scheme: TensorScheme, sinks: number, own?: readonly Asset[]) => TensorForm) => {
  let rounded: Float32Array | undefined;
  /** Blocks count from the first token after the sinks. */
  const quantized = (exact: Float32Array, scheme: TensorScheme, sinks: number, own = assets): Float32Array => {
    const start = Math.min(exact.length, sinks * heads * headSize);
    const target = exact.slice();
    const tokens = (exact.length - start) / (heads * headSize);
    fakeQuantize(exact.subarray(start), target.subarray(start), { tokens, heads, headSize }, scheme, {
      assets: own,
      position: sinks,
    });
    return target;
  };
  const known = new Map<string, TensorForm>();
  return (scheme, sinks, own) => {
    const exact = (rounded ??= roundedToFloat16(source));
    if (!isCoded(scheme)) return floatForm(exact);
    if (own) return { exact, quantized: quantized(exact, scheme, sinks, own) };
    const key = JSON.stringify([scheme, sinks]);
    const form = known.get(key) ?? { exact, quantized: quantized(exact, scheme, sinks) };
    known.set(key, form);
    return form;
  };
};

const roundedToFloat16 = (source: Float32Array): Float32Array => {
  const target = new Float32Array(source.length);
  roundArrayToFloat16(source, target);
  return target;
};

const runChunks = async (
  attend: (call: AttentionCall, output: Float32Array) => Promise<unknown>,
  query: Float32Array,
  read: { readonly key: TensorForm; readonly value: TensorForm },
  chunks: readonly ColumnChunk[],
  output: Float32Array,
): Promise<void> => {
  const tokens = chunks.at(-1)!.endQuery;
  const [queryWidth, keyWidth, valueWidth] = [query, read.key.exact, read.value.exact].map(
    ({ length }) => length / tokens,
  ) as [number, number, number];
  const outputWidth = output.length / tokens;
  for (const chunk of chunks) {
    const call = {
      query: query.subarray(chunk.firstQuery * queryWidth, chunk.endQuery * queryWidth),
      key: gather(chunk, keyWidth, (range) => (range.keyQuantized ? read.key.quantized : read.key.exact)),
      value: gather(chunk, valueWidth, (range) => (range.valueQuantized ? read.value.quantized : read.value.exact)),
      mask: chunk.mask(),
    };
    await attend(call, output.subarray(chunk.firstQuery * outputWidth, chunk.endQuery * outputWidth));
  }
};

/** Rows of a chunk's columns; a view if the columns are one range. */
const gather = (
  { ranges, columns }: ColumnChunk,
  width: number,
  form: (range: ColumnRange) => Float32Array,
): Float32Array => {
  const rowsOf = (range: ColumnRange): Float32Array => form(range).subarray(range.start * width, range.end * width);
  if (ranges.length === 1) return rowsOf(ranges[0]!);
  const gathered = new Float32Array(columns * width);
  let offset = 0;
  for (const range of ranges) {
    gathered.set(rowsOf(range), offset);
    offset += (range.end - range.start) * width;
  }
  return gathered;
};
