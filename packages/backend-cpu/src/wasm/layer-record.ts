import { type KernelScheme, kernelScheme } from "@kvtuner/backend";
import {
  type AttentionSpec,
  layoutOf,
  type LayerScheme,
  type LayerShape,
  type Part,
  partBytes,
  spanOf,
  type TensorScheme,
  tensorShape,
} from "@kvtuner/plan";
import { MAX_TOKENS } from "./capabilities.ts";

/** Tokens of a tile and of a page of 16-bit numbers, as in `kernels/layout.ts`. */
export const TILE_TOKENS = 128;
export const PAGE_TOKENS = 32;

/** Offsets, in 32-bit words, of the fields that `kernels/layout.ts` lists in bytes. */
const KEY_WORD = 7;
const VALUE_WORD = 26;
const RECORDS_WORD = 9;
const PAGES_WORD = 10;
const CODERS_WORD = 11;
const SIGNS_WORD = 12;
const TABLE_WORD = 13;
const UNITS_WORD = 14;
const FLOAT8_WORD = 17;
const FIXED_SCALES_WORD = 18;

const FLOAT8_NUMBERS = { e4m3: 1, e5m2: 2 };

/** Byte offsets of the fields that say how a layer attends. */
const SCALE_BYTE = 12;
const SOFTCAP_BYTE = 16;
const SPAN_BYTE = 20;
const SINK_LOGITS_BYTE = 24;

/** More tokens than any cache holds. */
const MAX_SPAN = 2 ** 30;

/** Bytes of a layer's record. */
export const LAYER_RECORD_BYTES = 180;

/** The record of one KV head's tile; unused for float16 and the codec `transform`. */
export interface RecordLayout {
  /** Parts of the codec's layout in order, with their offsets in bytes. */
  readonly parts: readonly (Part & { readonly offset: number })[];
  readonly recordBytes: number;
}

/**
 * A scheme as the kernels know it. Those of the codec `transform` need a coder beside it (`transform/coder.ts`), those of `float8` its
 * format and fixed scales.
 */
export const storedScheme = (scheme: TensorScheme, headSize: number): KernelScheme => {
  if (scheme.kind !== "transform" && scheme.kind !== "float8") return kernelScheme(scheme, headSize);
  const { blockSize } = scheme;
  return {
    isCoded: true,
    bits: scheme.kind === "float8" ? 8 : 0,
    isChannel: false,
    groupSize: headSize,
    hasMinima: false,
    isRotated: false,
    blockSize,
  };
};

/** Layout of one KV head's record of `TILE_TOKENS` tokens. */
export const recordLayout = (scheme: TensorScheme, headSize: number): RecordLayout => {
  let recordBytes = 0;
  if (scheme.kind === "transform") return { parts: [], recordBytes };
  const parts = layoutOf(scheme, { tokens: TILE_TOKENS, headSize }).map((part) => {
    const offset = recordBytes;
    const shared = sharedBy(scheme, part.name);
    const elements = shared
      ? blocksOfTile(shared) * (isUnits(part.name) ? unitsOfBlock(scheme, headSize) : 1)
      : part.elements;
    recordBytes += partBytes({ ...part, elements });
    return { ...part, elements, offset };
  });
  return { parts, recordBytes };
};

/** How many tokens share each number of a part, wherever tiles end; `undefined` for a part that follows groups. */
export const sharedBy = (scheme: TensorScheme, part: string): number | undefined => {
  if (scheme.kind === "affine") return isUnits(part) ? scheme.blockSize : undefined;
  if (scheme.kind !== "float8" || part !== "scales" || scheme.scales !== "dynamic") return undefined;
  return scheme.scope === "token" ? 1 : scheme.blockSize;
};

/** Whether a part has the units of parameters in two levels. */
const isUnits = (part: string): boolean => part === "scaleUnits" || part === "minimumUnits";

const unitsOfBlock = (scheme: TensorScheme, headSize: number): number =>
  scheme.kind === "affine" && scheme.axis === "channel" ? headSize : 1;

/** Blocks that a tile has tokens of, at most: one that reaches into another tile counts in both. */
const blocksOfTile = (blockSize: number): number =>
  TILE_TOKENS % blockSize === 0 ? TILE_TOKENS / blockSize : 1 + Math.ceil((TILE_TOKENS - 1) / blockSize);

/** Writes what the kernels need to know about a layer's storage; {@link writeTables} adds the tables. */
export const writeLayerRecord = (words: Uint32Array, address: number, scheme: LayerScheme, shape: LayerShape): void => {
  const start = address / 4;
  const { queryHeads, kvHeads } = shape;
  const { residency, key, value } = scheme;
  words.set([kvHeads, queryHeads / kvHeads, Math.min(residency.sinks, MAX_TOKENS)], start);
  writeTensor(words, start + KEY_WORD, key, tensorShape(shape, "key").headSize);
  writeTensor(words, start + VALUE_WORD, value, tensorShape(shape, "value").headSize);
};

const writeTensor = (words: Uint32Array, start: number, scheme: TensorScheme, headSize: number): void => {
  const { bits, isChannel, groupSize, hasMinima, isRotated, blockSize } = storedScheme(scheme, headSize);
  const { parts, recordBytes } = recordLayout(scheme, headSize);
  const offsetOf = (name: string): number => parts.find((part) => part.name === name)?.offset ?? 0;
  const offsets = [recordBytes, offsetOf("scales"), offsetOf("minima")];
  words.set([headSize, bits, Number(isChannel), groupSize, Number(hasMinima), Number(isRotated), ...offsets], start);
  words.fill(0, start + CODERS_WORD, start + TABLE_WORD + 1);
  const block = sharedBy(scheme, "scales") ?? blockSize;
  words.set([offsetOf("scaleUnits"), offsetOf("minimumUnits"), block], start + UNITS_WORD);
  words.set([scheme.kind === "float8" ? FLOAT8_NUMBERS[scheme.format] : 0, 0], start + FLOAT8_WORD);
};

/** The kernels compute scores as powers of 2. */
const inPowersOfTwo = (score: number): number => score * Math.LOG2E;

/** Bytes of the sink logits; see {@link writeAttention}. */
export const sinkLogitBytes = ({ sinkLogits }: AttentionSpec): number => 4 * (sinkLogits?.length ?? 0);

/** Writes how a layer attends. Writes its sink logits, if any, to `sinkLogits`. */
export const writeAttention = (words: Uint32Array, address: number, spec: AttentionSpec, sinkLogits: number): void => {
  const floats = new Float32Array(words.buffer);
  floats[(address + SCALE_BYTE) / 4] = inPowersOfTwo(spec.scale);
  floats[(address + SOFTCAP_BYTE) / 4] = inPowersOfTwo(spec.softcap ?? 0);
  words[(address + SPAN_BYTE) / 4] = Math.min(spanOf(spec), MAX_SPAN);
  words[(address + SINK_LOGITS_BYTE) / 4] = spec.sinkLogits ? sinkLogits : 0;
  for (const [head, logit] of (spec.sinkLogits ?? []).entries()) floats[sinkLogits / 4 + head] = inPowersOfTwo(logit);
};

/** Address of the part of a layer's record about keys, or about values. */
export const tensorAddress = (layer: number, tensor: "key" | "value"): number =>
  layer + 4 * (tensor === "key" ? KEY_WORD : VALUE_WORD);

/** Gives a layer's record the tables of another one. */
export const copyTables = (words: Uint32Array, from: number, to: number): void => {
  for (const tensor of ["key", "value"] as const) {
    const source = tensorAddress(from, tensor) / 4;
    writeTables(words, tensorAddress(to, tensor), words[source + RECORDS_WORD]!, words[source + PAGES_WORD]!);
    writeCoderAddress(words, tensorAddress(to, tensor), words[source + CODERS_WORD]!);
    writeFixedScales(words, tensorAddress(to, tensor), words[source + FIXED_SCALES_WORD]!);
    writeRotation(words, tensorAddress(to, tensor), words[source + SIGNS_WORD]!, words[source + TABLE_WORD]!);
  }
};

/** Writes the addresses of what a tensor is rotated by, beyond the Hadamard transform; 0 for nothing. */
export const writeRotation = (words: Uint32Array, tensor: number, signs: number, table: number): void => {
  words[tensor / 4 + SIGNS_WORD] = signs;
  words[tensor / 4 + TABLE_WORD] = table;
};

/** Writes the address of the fixed scales of a tensor of the codec `float8`, f32 `[kvHeads]`; 0 for dynamic ones. */
export const writeFixedScales = (words: Uint32Array, tensor: number, scales: number): void => {
  words[tensor / 4 + FIXED_SCALES_WORD] = scales;
};

/** Writes the address of the coder of a tensor of the codec `transform`. */
export const writeCoderAddress = (words: Uint32Array, tensor: number, coder: number): void => {
  words[tensor / 4 + CODERS_WORD] = coder;
};

/** Writes the addresses of a tensor's tables. */
export const writeTables = (words: Uint32Array, tensor: number, records: number, pages: number): void => {
  words[tensor / 4 + RECORDS_WORD] = records;
  words[tensor / 4 + PAGES_WORD] = pages;
};
