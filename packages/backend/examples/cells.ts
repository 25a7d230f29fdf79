import { type HeadImage, roundDecoded } from "@kvtuner/backend";
import {
  type AttentionSpec,
  firstHeld,
  FLOAT16,
  heldTokens,
  type LayerScheme,
  type LayerShape,
  layerSpan,
  quantizedPrefix,
  scoreOf,
  spanOf,
  type TensorBytes,
  type TensorScheme,
} from "@kvtuner/plan";
import { decodeBlock, emptyBlock, encodeBlock, type EncodedBlock, mapParts, type PartArray } from "@kvtuner/quantizers";

/** One token of one KV head: codes, or float16 under the scheme {@link EXACT}. */
interface Cell {
  readonly scheme: TensorScheme;
  readonly block: EncodedBlock;
  /** The decoded block, kept because decoding is slow here. A kernel decodes as it goes. */
  readonly numbers: Float32Array;
}

/** Keys, or values, of one layer: a cell for each token and KV head; no cells for a token that was dropped. */
export type Cells = Cell[][];

const EXACT: TensorScheme = FLOAT16;

const cellOf = (block: EncodedBlock, headSize: number, scheme: TensorScheme): Cell => ({
  scheme,
  block,
  numbers: decodeBlock(block, 1, headSize, scheme),
});

const encoded = (numbers: Float32Array, scheme: TensorScheme): Cell =>
  cellOf(encodeBlock(numbers, 1, numbers.length, scheme), numbers.length, scheme);

/** The cells of one row, float32 `[kvHeads * headSize]`, in 16 bits. */
export const exactCells = (row: Float32Array, { kvHeads, headSize }: LayerShape): Cell[] =>
  Array.from({ length: kvHeads }, (_, head) => encoded(row.slice(head * headSize, (head + 1) * headSize), EXACT));

const decodedCell = ({ numbers }: Cell): Cell => {
  const rounded = numbers.slice();
  roundDecoded(rounded);
  return encoded(rounded, EXACT);
};

/** Every token in 16 bits: what `retune` starts from. */
export const decodedCells = (cells: Cells): Cells =>
  cells.map((row) => row.map((cell) => (cell.scheme === EXACT ? cell : decodedCell(cell))));

/** Stores every token as the prefix rule says at this length: as codes or as float16. */
export const settle = (cells: Cells, scheme: TensorScheme, layer: LayerScheme): void => {
  const end = layer.residency.sinks + quantizedPrefix(scheme, layer, cells.length);
  for (let token = 0; token < cells.length; token++) {
    const row = cells[token]!;
    const wanted = token >= layer.residency.sinks && token < end ? scheme : EXACT;
    if (row.every((cell) => cell.scheme === wanted)) continue;
    cells[token] = row.map((cell) => (wanted === EXACT ? decodedCell(cell) : encoded(cell.numbers, wanted)));
  }
};

/** Drops the tokens that no later query reads. */
export const drop = (cells: Cells, scheme: TensorScheme, layer: LayerScheme, span: number): void => {
  for (let token = firstHeld(scheme, layer, span, cells.length) - 1; cells[token]?.length; token--) cells[token] = [];
};

/** Bytes of all cells by part. */
export const cellBytes = (cells: Cells): TensorBytes => {
  const bytes: Record<string, number> = {};
  for (const { scheme, block } of cells.flat())
    for (const [part, { byteLength }] of Object.entries(block)) {
      const name = scheme === EXACT ? "exact" : part;
      bytes[name] = (bytes[name] ?? 0) + byteLength;
    }
  return bytes;
};

/** Each KV head as a snapshot stores it. On axis token, a prefix is its blocks in order. */
export const headImages = (cells: Cells, { kvHeads, headSize }: LayerShape, scheme: TensorScheme): HeadImage[] =>
  Array.from({ length: kvHeads }, (_, head) => {
    const column = cells.flatMap((row) => row[head] ?? []);
    const blocksOf = (isExact: boolean): EncodedBlock[] =>
      column.filter((cell) => (cell.scheme === EXACT) === isExact).map(({ block }) => block);
    return {
      prefix: joined(blocksOf(false), headSize, scheme),
      exact: joined(blocksOf(true), headSize, EXACT)["codes"] as Uint16Array,
    };
  });

const joined = (blocks: readonly EncodedBlock[], headSize: number, scheme: TensorScheme): EncodedBlock =>
  mapParts(emptyBlock(blocks.length, headSize, scheme), (all, part) => {
    for (const [index, block] of blocks.entries()) all.set(block[part]!, index * block[part]!.length);
    return all;
  });

/** The cells of a snapshot of `length` tokens. */
export const cellsFrom = (
  images: readonly HeadImage[],
  length: number,
  shape: LayerShape,
  scheme: TensorScheme,
  layer: LayerScheme,
): Cells => {
  const { first, coded, exact } = heldTokens(scheme, layer, layerSpan(shape), length);
  const codedFrom = Math.max(first, layer.residency.sinks);
  const nth = (all: PartArray, place: number, count: number): PartArray =>
    all.slice((place * all.length) / count, ((place + 1) * all.length) / count);
  const cellAt = (image: HeadImage, token: number): Cell => {
    const place = token - codedFrom;
    if (place >= 0 && place < coded)
      return cellOf(
        mapParts(image.prefix, (all) => nth(all, place, coded)),
        shape.headSize,
        scheme,
      );
    const row = token - first - (place < 0 ? 0 : coded);
    return cellOf({ codes: nth(image.exact, row, exact) }, shape.headSize, EXACT);
  };
  return Array.from({ length }, (_, token) => (token < first ? [] : images.map((image) => cellAt(image, token))));
};

/** Attention of one token's queries, `[queryHeads * headSize]`, over all cells, in double precision. */
export const attendRow = (
  shape: LayerShape,
  spec: AttentionSpec,
  queries: Float32Array,
  keys: Cells,
  values: Cells,
): Float64Array => {
  const { queryHeads, kvHeads, headSize } = shape;
  const output = new Float64Array(queries.length);
  const first = Math.max(0, keys.length - spanOf(spec));
  for (let head = 0; head < queryHeads; head++) {
    const kvHead = Math.floor(head / (queryHeads / kvHeads));
    const start = head * headSize;
    const query = queries.subarray(start, start + headSize);
    const scores = keys.slice(first).map((cells) => scoreOf(spec, dot(query, cells[kvHead]!.numbers)));
    const weights = softmax(scores, spec.sinkLogits?.[head]);
    for (const [token, weight] of weights.entries())
      addScaled(output, start, weight, values[first + token]![kvHead]!.numbers);
  }
  return output;
};

/** The sink takes a share of the weights. */
const softmax = (scores: readonly number[], sink = -Infinity): number[] => {
  let largest = sink;
  for (const score of scores) largest = Math.max(largest, score);
  let total = Math.exp(sink - largest);
  for (const score of scores) total += Math.exp(score - largest);
  return scores.map((score) => Math.exp(score - largest) / total);
};

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
};

const addScaled = (target: Float64Array, offset: number, factor: number, source: Float32Array): void => {
  for (let index = 0; index < source.length; index++) target[offset + index]! += factor * source[index]!;
};
