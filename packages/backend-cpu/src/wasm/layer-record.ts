import { type KernelScheme, kernelScheme } from "@kvtuner/backend";
import { type AttentionSpec, type CacheShape, type LayerScheme, spanOf } from "@kvtuner/plan";
import { MAX_TOKENS } from "./capabilities.ts";

/** Tokens of a tile and of a page of 16-bit numbers, as in `kernels/layout.ts`. */
export const TILE_TOKENS = 128;
export const PAGE_TOKENS = 32;

/** Offsets, in 32-bit words, of what `kernels/layout.ts` lists in bytes. */
const KEY_WORD = 8;
const VALUE_WORD = 18;
const RECORDS_WORD = 8;
const PAGES_WORD = 9;

/** Offsets in bytes of how a layer attends. */
const SCALE_BYTE = 16;
const SOFTCAP_BYTE = 20;
const SPAN_BYTE = 24;
const SINK_LOGITS_BYTE = 28;

/** More tokens than any cache holds. */
const MAX_SPAN = 2 ** 30;

/** Bytes of a layer's record. */
export const LAYER_RECORD_BYTES = 112;

/** Where the parts of a tile's record of one KV head are, in bytes; of no meaning for float16. */
export interface RecordLayout {
  readonly codeBytes: number;
  /** Parameters of a tile, of one kind. */
  readonly parameters: number;
  readonly scalesOffset: number;
  readonly minimaOffset: number;
  readonly recordBytes: number;
}

/** Layout of one KV head's record of `TILE_TOKENS` tokens: codes, then scales, then minima. */
export const recordLayout = (
  { bits, groupSize, isChannel, hasMinima }: KernelScheme,
  headSize: number,
): RecordLayout => {
  const codeBytes = (TILE_TOKENS * headSize * bits) / 8;
  const parameters = isChannel ? (TILE_TOKENS / groupSize) * headSize : TILE_TOKENS * Math.ceil(headSize / groupSize);
  const minimaOffset = codeBytes + 2 * parameters;
  const recordBytes = minimaOffset + (hasMinima ? 2 * parameters : 0);
  return { codeBytes, parameters, scalesOffset: codeBytes, minimaOffset, recordBytes };
};

/** Writes what the kernels have to know of how a layer is stored; tables come with {@link writeTables}. */
export const writeLayerRecord = (words: Uint32Array, address: number, scheme: LayerScheme, shape: CacheShape): void => {
  const start = address / 4;
  const { queryHeads, kvHeads, headSize } = shape;
  const { residency, key, value } = scheme;
  words.set([kvHeads, queryHeads / kvHeads, headSize, Math.min(residency.sinks, MAX_TOKENS)], start);
  writeTensor(words, start + KEY_WORD, kernelScheme(key, headSize), headSize);
  writeTensor(words, start + VALUE_WORD, kernelScheme(value, headSize), headSize);
};

const writeTensor = (words: Uint32Array, start: number, scheme: KernelScheme, headSize: number): void => {
  const { recordBytes, scalesOffset, minimaOffset } = recordLayout(scheme, headSize);
  words.set(
    [
      scheme.bits,
      Number(scheme.isChannel),
      scheme.groupSize,
      Number(scheme.hasMinima),
      Number(scheme.isRotated),
      recordBytes,
      scalesOffset,
      minimaOffset,
    ],
    start,
  );
};

/** Scores are powers of 2 in the kernels. */
const inPowersOfTwo = (score: number): number => score * Math.LOG2E;

/** Bytes of the logits of sinks; see {@link writeAttention}. */
export const sinkLogitBytes = ({ sinkLogits }: AttentionSpec): number => 4 * (sinkLogits?.length ?? 0);

/** Writes how a layer attends; its logits of sinks, if it has any, to `sinkLogits`. */
export const writeAttention = (words: Uint32Array, address: number, spec: AttentionSpec, sinkLogits: number): void => {
  const floats = new Float32Array(words.buffer);
  floats[(address + SCALE_BYTE) / 4] = inPowersOfTwo(spec.scale);
  floats[(address + SOFTCAP_BYTE) / 4] = inPowersOfTwo(spec.softcap ?? 0);
  words[(address + SPAN_BYTE) / 4] = Math.min(spanOf(spec), MAX_SPAN);
  words[(address + SINK_LOGITS_BYTE) / 4] = spec.sinkLogits ? sinkLogits : 0;
  for (const [head, logit] of (spec.sinkLogits ?? []).entries()) floats[sinkLogits / 4 + head] = inPowersOfTwo(logit);
};

/** Address of the part of a layer's record that tells of keys, or of values. */
export const tensorAddress = (layer: number, tensor: "key" | "value"): number =>
  layer + 4 * (tensor === "key" ? KEY_WORD : VALUE_WORD);

/** Tells the kernels where a tensor's tables are. */
export const writeTables = (words: Uint32Array, tensor: number, records: number, pages: number): void => {
  words[tensor / 4 + RECORDS_WORD] = records;
  words[tensor / 4 + PAGES_WORD] = pages;
};
