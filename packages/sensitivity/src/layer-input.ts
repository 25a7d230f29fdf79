import { type AttentionSpec, type CacheShape, KvtunerError } from "@kvtuner/plan";
import type { FloatArray } from "./relative-error.ts";

/** Half-open range of tokens, `start <= token < end`. */
export interface TokenRange {
  readonly start: number;
  readonly end: number;
}

/** A layer's keys, or values, under one scheme. */
export interface ReadVersion {
  /** Names the scheme in the result; unique among the keys, and among the values. */
  readonly id: string;
  /** Decoded codes, `[tokens, kvHeads * headSize]` row-major. Only tokens in `range` are read. */
  readonly hat: FloatArray;
  /**
   * Tokens that a query at a position reads from `hat`. It reads all others, up to its own position, exactly. The range is
   * cut at the position, so `{ start: 0, end: Infinity }` reads everything quantized.
   */
  readonly range: (position: number) => TokenRange;
}

/** Input of one layer's attention errors. */
export interface LayerInput {
  /**
   * Rotated queries `[queries, queryHeads * headSize]` row-major. Query head h attends KV head
   * `floor(h * kvHeads / queryHeads)`.
   */
  readonly query: FloatArray;
  /** Position of each query row. The query sees tokens 0 to its position. */
  readonly queryPositions: ArrayLike<number>;
  /** Rotated keys `[tokens, kvHeads * headSize]` row-major, as a query reads them when not quantized. */
  readonly key: FloatArray;
  /** Values `[tokens, kvHeads * headSize]` row-major, as a query reads them when not quantized. */
  readonly value: FloatArray;
  readonly shape: Pick<CacheShape, "queryHeads" | "kvHeads" | "headSize">;
  /** How the layer attends; plain causal attention by default. */
  readonly attention?: AttentionSpec;
  /** See `relativeError`; `RELATIVE_FLOOR` by default. */
  readonly relativeFloor?: number;
}

/** Rejects arrays of inconsistent sizes, positions outside the tokens, and duplicate ids. */
export const assertLayerInput = (
  input: LayerInput & { readonly keys: readonly ReadVersion[]; readonly values: readonly ReadVersion[] },
): void => {
  assertShape(input.shape);
  const tokens = tokensOf(input);
  assertQueries(input, tokens);
  for (const version of input.keys) assertLength(`hat of key scheme "${version.id}"`, version.hat, input.key.length);
  for (const version of input.values)
    assertLength(`hat of value scheme "${version.id}"`, version.hat, input.key.length);
  assertIds("key", input.keys);
  assertIds("value", input.values);
};

/** Rejects sizes of attention that do not fit together. */
const assertShape = ({ queryHeads, kvHeads, headSize }: LayerInput["shape"]): void => {
  const sound = [queryHeads, kvHeads, headSize].every((size) => Number.isInteger(size) && size > 0);
  if (sound && queryHeads % kvHeads === 0) return;
  throw new SensitivityError(
    "SENSITIVITY_SHAPE",
    `expected positive integers queryHeads (a multiple of kvHeads), kvHeads and headSize, got ${queryHeads}, ${kvHeads} and ${headSize}`,
  );
};

const tokensOf = ({ key, value, shape }: LayerInput): number => {
  const width = shape.kvHeads * shape.headSize;
  const tokens = key.length / width;
  if (!Number.isInteger(tokens) || tokens === 0) {
    throw new SensitivityError(
      "SENSITIVITY_LENGTH",
      `expected key to hold one token or more of kvHeads * headSize = ${width} numbers, got ${key.length} numbers`,
    );
  }
  assertLength("value", value, key.length);
  return tokens;
};

const assertQueries = ({ query, queryPositions, shape }: LayerInput, tokens: number): void => {
  assertLength("query", query, queryPositions.length * shape.queryHeads * shape.headSize);
  if (queryPositions.length === 0) {
    throw new SensitivityError("SENSITIVITY_LENGTH", "expected at least one query, got none");
  }
  for (const position of Array.from(queryPositions)) {
    if (Number.isInteger(position) && position >= 0 && position < tokens) continue;
    throw new SensitivityError(
      "SENSITIVITY_POSITION",
      `expected a query position from 0 to ${tokens - 1}, the last token, got ${position}`,
    );
  }
};

/** Rejects an array of another length. */
const assertLength = (name: string, array: FloatArray, expected: number): void => {
  if (array.length === expected) return;
  throw new SensitivityError("SENSITIVITY_LENGTH", `expected ${name} to hold ${expected} numbers, got ${array.length}`);
};

/** Rejects two versions of one id. */
const assertIds = (kind: "key" | "value", versions: readonly ReadVersion[]): void => {
  const ids = versions.map(({ id }) => id);
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice === undefined) return;
  throw new SensitivityError(
    "SENSITIVITY_DUPLICATE",
    `expected different ids of ${kind} schemes, got "${twice}" twice`,
  );
};

/** Inconsistent input; `code` starts with `SENSITIVITY_`. */
export class SensitivityError extends KvtunerError {
  override readonly name = "SensitivityError";
}
