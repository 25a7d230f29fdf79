import { layoutOf, type SchemeOf } from "@kvtuner/plan";
import { packCodes, packedBytes, packTernary, ternaryBytes, unpackCodes, unpackTernary } from "../bit-packing.ts";
import { measuredErrors } from "../bounds/block-errors.ts";
import { emptyBlock, type PartArray } from "../encoded-block.ts";
import { float16FromNumber, MAX_FLOAT16, numberFromFloat16 } from "../float16.ts";
import { rotatedRows, rotationOf, undoRotation } from "../rotation.ts";
import { balancedVariance } from "../variance-balance.ts";
import type { Codec, CodecContext } from "./codec.ts";
import { float8FromNumber, numberFromFloat8 } from "./float8.ts";
import { inHeadBlocks } from "./head-blocks.ts";

type BalancedScheme = SchemeOf<"balanced">;

/** Parts of a block. `balances` are absent where nothing is balanced. */
type BalancedBlock = {
  /** Packed codes; each row fills whole bytes. Rows are tokens (axis token), or channels of a block (axis channel). */
  readonly codes: Uint8Array;
  /** Scale and minimum of each group as float16 bits, or as e4m3. */
  readonly scales: PartArray;
  readonly minima: PartArray;
  /** What the columns of each block are multiplied by, as float16 bits. */
  readonly balances?: Uint16Array;
};

/**
 * Codes of tiles whose rows and columns were balanced: `x^ = (code * scale + minimum) * balance`, in float32. The scales of
 * KVarN's rows are part of scale and minimum. Fitting is in double precision, for no kernel follows it.
 */
export const balancedCodec: Codec<BalancedScheme, BalancedBlock> = {
  encode: (x, tokens, headSize, scheme, context) => {
    const block = emptyBlock(tokens, headSize, scheme) as BalancedBlock;
    const rows = rotatedRows(x, headSize, rotationOf(scheme, headSize, context));
    const order = orderOf(headSize, context);
    forTiles(block, tokens, headSize, scheme, (own, start, end) =>
      encodeTile(own, rows.subarray(start, end), headSize, scheme, order),
    );
    return block;
  },
  decode: (block, tokens, headSize, scheme, context) => {
    const decoded = new Float32Array(tokens * headSize);
    const order = orderOf(headSize, context);
    forTiles(block, tokens, headSize, scheme, (own, start, end) =>
      decodeTile(own, decoded.subarray(start, end), headSize, scheme, order),
    );
    undoRotation(decoded, headSize, rotationOf(scheme, headSize, context));
    return decoded;
  },
  roundTrip: (data, layout, scheme, context) => {
    const { tokens, headSize } = layout;
    if (tokens > 0)
      inHeadBlocks(data, layout, tokens, (x, head) => {
        const own = { ...context, head };
        const encoded = balancedCodec.encode(x, tokens, headSize, scheme, own);
        x.set(balancedCodec.decode(encoded, tokens, headSize, scheme, own));
      });
  },
  /** The changes themselves: what balancing multiplies errors by has no closed form. */
  bound: (x, tokens, headSize, scheme, context) => {
    const encoded = balancedCodec.encode(x, tokens, headSize, scheme, context);
    return measuredErrors(x, balancedCodec.decode(encoded, tokens, headSize, scheme, context), tokens, headSize);
  },
};

/** Visits the tiles of a block with the parts of each, and the range of its numbers. The last may lack tokens. */
const forTiles = (
  block: BalancedBlock,
  tokens: number,
  headSize: number,
  scheme: BalancedScheme,
  visit: (own: BalancedBlock, start: number, end: number) => void,
): void => {
  const parts = layoutOf(scheme, { tokens: scheme.blockSize, headSize });
  for (let index = 0; index * scheme.blockSize < tokens; index++) {
    const own = parts.map(({ name, elements }) => [
      name,
      (block as Record<string, PartArray>)[name]!.subarray(index * elements, (index + 1) * elements),
    ]);
    const start = index * scheme.blockSize * headSize;
    const end = Math.min(tokens * headSize, start + scheme.blockSize * headSize);
    visit(Object.fromEntries(own) as BalancedBlock, start, end);
  }
};

/** Channel that comes at each place. */
const orderOf = (headSize: number, { assets: { order }, head }: CodecContext): ((place: number) => number) =>
  order ? (place) => order.data[head * headSize + place]! : (place) => place;

/** A tile as rows with parameters, row-major, and the place of each number in the block `[tokens, headSize]`. */
interface Rows {
  readonly rows: number;
  readonly columns: number;
  readonly groupSize: number;
  place(row: number, column: number): number;
}

const rowsOf = (
  numbers: number,
  headSize: number,
  { axis, groupSize }: BalancedScheme,
  order: (place: number) => number,
): Rows => {
  const tokens = numbers / headSize;
  const [rows, columns] = axis === "token" ? [tokens, headSize] : [headSize, tokens];
  return {
    rows,
    columns,
    groupSize: groupSize === "row" ? columns : groupSize,
    place: (row, column) => (axis === "token" ? row * headSize + order(column) : column * headSize + row),
  };
};

const encodeTile = (
  block: BalancedBlock,
  x: Float32Array,
  headSize: number,
  scheme: BalancedScheme,
  order: (place: number) => number,
): void => {
  const layout = rowsOf(x.length, headSize, scheme, order);
  const { rows, columns, groupSize } = layout;
  const numbers = new Float64Array(rows * columns);
  for (let index = 0; index < numbers.length; index++)
    numbers[index] = x[layout.place(Math.floor(index / columns), index % columns)]!;
  const balance = balanceOf(scheme, numbers, rows, columns);
  block.balances?.set(balance.columns.map(float16Bits));
  const steps = scheme.bits === 1.5 ? 2 : 2 ** scheme.bits - 1;
  let group = 0;
  for (let row = 0; row < rows; row++) {
    const own = numbers
      .subarray(row * columns, (row + 1) * columns)
      .map((number, column) => number / (balance.columns[column]! * balance.rows[row]!));
    const codes = new Uint8Array(columns);
    for (let start = 0; start < columns; start += groupSize) {
      const { scale, minimum } = fitted(own.subarray(start, start + groupSize), steps, scheme);
      for (let column = start; column < Math.min(columns, start + groupSize); column++)
        codes[column] = Math.min(steps, Math.max(0, Math.round((own[column]! - minimum) / scale)));
      block.scales[group] = storedParameter(balance.rows[row]! * scale, scheme);
      block.minima[group++] = storedParameter(balance.rows[row]! * minimum, scheme);
    }
    const packed = scheme.bits === 1.5 ? packTernary(codes) : packCodes(codes, scheme.bits);
    block.codes.set(packed, row * packed.length);
  }
};

/** What rows and columns are divided by before they are coded. */
const balanceOf = (
  { balance }: BalancedScheme,
  numbers: Float64Array,
  rows: number,
  columns: number,
): { readonly rows: Float64Array; readonly columns: Float64Array } => {
  if (balance === "variance") return balancedVariance({ numbers, rows, columns });
  const largest = new Float64Array(columns).fill(balance === "none" ? 1 : 0);
  if (balance === "largest") {
    for (const [index, number] of numbers.entries())
      largest[index % columns] = Math.max(largest[index % columns]!, Math.abs(number));
    for (const [column, magnitude] of largest.entries())
      largest[column] = numberFromFloat16(float16Bits(Math.sqrt(magnitude))) || 1;
  }
  return { rows: new Float64Array(rows).fill(1), columns: largest };
};

/** Smallest scales, against division by zero: KVarN's, and SKVQ's. */
const SMALLEST_SCALES = { variance: 1e-10, largest: 1e-10, none: 1e-5 };

const fitted = (
  group: Float64Array,
  steps: number,
  { balance, clip }: BalancedScheme,
): { readonly scale: number; readonly minimum: number } => {
  const minimum = clip * Math.min(...group);
  const scale = Math.max(SMALLEST_SCALES[balance], (clip * Math.max(...group) - minimum) / steps);
  return { scale, minimum };
};

const float16Bits = (x: number): number => float16FromNumber(Math.min(MAX_FLOAT16, Math.max(-MAX_FLOAT16, x)));

const storedParameter = (x: number, { parameters }: BalancedScheme): number =>
  parameters === "float8" ? float8FromNumber(Math.fround(x), "e4m3") : float16Bits(x);

const loadedParameter = (bits: number, { parameters }: BalancedScheme): number =>
  parameters === "float8" ? numberFromFloat8(bits, "e4m3") : numberFromFloat16(bits);

const decodeTile = (
  block: BalancedBlock,
  decoded: Float32Array,
  headSize: number,
  scheme: BalancedScheme,
  order: (place: number) => number,
): void => {
  const layout = rowsOf(decoded.length, headSize, scheme, order);
  const { rows, columns, groupSize } = layout;
  const balances = block.balances && Float32Array.from(block.balances, numberFromFloat16);
  const rowBytes = scheme.bits === 1.5 ? ternaryBytes(columns) : packedBytes(columns, scheme.bits);
  const groups = Math.ceil(columns / groupSize);
  for (let row = 0; row < rows; row++) {
    const packed = block.codes.subarray(row * rowBytes);
    const codes = scheme.bits === 1.5 ? unpackTernary(packed, columns) : unpackCodes(packed, scheme.bits, columns);
    for (let column = 0; column < columns; column++) {
      const group = row * groups + Math.floor(column / groupSize);
      const scale = loadedParameter(block.scales[group]!, scheme);
      const number = Math.fround(Math.fround(codes[column]! * scale) + loadedParameter(block.minima[group]!, scheme));
      decoded[layout.place(row, column)] = number * (balances?.[column] ?? 1);
    }
  }
};
