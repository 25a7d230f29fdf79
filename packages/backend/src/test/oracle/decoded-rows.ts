import {
  type Asset,
  blockTokens,
  firstHeld,
  type LayerScheme,
  type LayerShape,
  layerSpan,
  quantizedPrefix,
  schemeOfHead,
  type TensorScheme,
} from "@kvtuner/plan";
import { decodeBlock, type EncodedBlock, encodeBlock } from "@kvtuner/quantizers";

/** Keys, or values, of one layer, and how they are stored. */
export interface StoredRows {
  readonly rows: readonly Float32Array[];
  readonly scheme: TensorScheme;
  readonly layer: LayerScheme;
  readonly shape: LayerShape;
  readonly assets?: readonly Asset[];
}

/** First token read from codes at a length, and the end of the range. */
export const quantizedRange = (
  { scheme, layer }: Pick<StoredRows, "scheme" | "layer">,
  length: number,
): readonly [number, number] => [layer.residency.sinks, layer.residency.sinks + quantizedPrefix(scheme, layer, length)];

/** The decoded rows of the prefix; undefined for all other tokens. */
export const decodedRows = (stored: StoredRows): (Float32Array | undefined)[] => {
  const decoded: (Float32Array | undefined)[] = stored.rows.map(() => undefined);
  const [first, end] = quantizedRange(stored, stored.rows.length);
  const name = JSON.stringify([stored.scheme, stored.shape.headSize, first]);
  for (let start = first; start < end; start += blockTokens(stored.scheme))
    for (const [index, row] of decodedBlock(stored, start, name).entries()) decoded[start + index] = row;
  return decoded;
};

/** The prefix of one KV head, as far as it is held, as one encoded block. */
export const encodedPrefix = (stored: StoredRows, head: number): EncodedBlock => {
  const { length } = stored.rows;
  const [first, end] = quantizedRange(stored, length);
  const oldest = firstHeld(stored.scheme, stored.layer, layerSpan(stored.shape), length);
  const position = Math.max(first, oldest);
  const rows = stored.rows.slice(position, Math.max(end, oldest));
  const { headSize } = stored.shape;
  const scheme = schemeOfHead(stored.scheme, head);
  return encodeBlock(headRows(rows, head, headSize), rows.length, headSize, scheme, {
    assets: stored.assets,
    head,
    position,
  });
};

/** Rows of one head, float32 `[tokens, headSize]`. */
export const headRows = (rows: readonly Float32Array[], head: number, headSize: number): Float32Array => {
  const numbers = new Float32Array(rows.length * headSize);
  for (const [token, row] of rows.entries())
    numbers.set(row.subarray(head * headSize, (head + 1) * headSize), token * headSize);
  return numbers;
};

const decodedBlock = (stored: StoredRows, start: number, name: string): readonly Float32Array[] => {
  const { scheme } = stored;
  const rows = stored.rows.slice(start, start + blockTokens(scheme));
  const entry = known.get(rows[0]!);
  if (entry?.name === name && rows.every((row, index) => row === entry.rows[index])) return entry.decoded;
  const decoded = decodeRows(rows, start, stored);
  known.set(rows[0]!, { name, rows, decoded });
  return decoded;
};

/** Decoded blocks by first row: every token needs them again. */
const known = new WeakMap<
  Float32Array,
  { readonly name: string; readonly rows: readonly Float32Array[]; readonly decoded: readonly Float32Array[] }
>();

const decodeRows = (
  rows: readonly Float32Array[],
  position: number,
  { scheme, shape: { kvHeads, headSize }, assets }: StoredRows,
): Float32Array[] => {
  const decoded = rows.map((row) => new Float32Array(row.length));
  for (let head = 0; head < kvHeads; head++) {
    const own = schemeOfHead(scheme, head);
    const context = { assets, head, position };
    const encoded = encodeBlock(headRows(rows, head, headSize), rows.length, headSize, own, context);
    const numbers = decodeBlock(encoded, rows.length, headSize, own, context);
    for (const [index, row] of decoded.entries())
      row.set(numbers.subarray(index * headSize, (index + 1) * headSize), head * headSize);
  }
  return decoded;
};
