import type { AnyLinear, Linear } from "../architecture/weights.ts";
import type { BlockLayout } from "../gguf/block-codes.ts";
import type { Constant, DeferredConstant } from "../onnx/graph.ts";

/** Blocks of a matrix; undefined for float32. */
export const layoutOf = (matrix: AnyLinear["matrix"]): BlockLayout | undefined => {
  if (matrix instanceof Float32Array) return undefined;
  if ("read" in matrix) return matrix.layout;
  const { blockSize, bits, offsets } = matrix;
  return { blockSize, bits, hasOffsets: offsets !== undefined };
};

/** The matrix `NAME_weight` in float32; or `NAME_codes` in MatMulNBits' format, `NAME_scales`, and `NAME_offsets` if it has any. */
export const matrixConstants = (name: string, weights: AnyLinear): (Constant | DeferredConstant)[] => {
  const { matrix, ...linear } = weights;
  const ports = portsOf(name, weights);
  if (matrix instanceof Float32Array || !("read" in matrix)) {
    const data = dataOf({ ...linear, matrix });
    return ports.map(({ name: own, dims }, index) => ({ name: own, dims, data: data[index]! }));
  }
  const read = heldFor(ports.length, async () => dataOf({ ...linear, matrix: await matrix.read(0, weights.rows) }));
  return ports.map((port, index) => ({ ...port, read: async () => (await read())[index]! }));
};

const portsOf = (name: string, { rows, columns, matrix }: AnyLinear): Omit<DeferredConstant, "read">[] => {
  const layout = layoutOf(matrix);
  if (!layout) return [{ name: `${name}_weight`, type: "float32", dims: [rows, columns] }];
  const { blockSize, bits, hasOffsets } = layout;
  const blocks = columns / blockSize;
  const floats = hasOffsets ? ["scales", "offsets"] : ["scales"];
  return [
    { name: `${name}_codes`, type: "uint8", dims: [rows, blocks, (blockSize * bits) / 8] },
    ...floats.map((part) => ({ name: `${name}_${part}`, type: "float32" as const, dims: [rows, blocks] })),
  ];
};

const dataOf = ({ matrix }: Linear): Constant["data"][] => {
  if (matrix instanceof Float32Array) return [matrix];
  const { codes, bits, scales, offsets } = matrix;
  return [packed(codes, bits), scales, ...(offsets ? [offsets] : [])];
};

/** Holds what was read until it has been used so many times. */
const heldFor = <Result>(uses: number, read: () => Promise<Result>): (() => Promise<Result>) => {
  let held: Promise<Result> | undefined;
  let left = uses;
  return async () => {
    const result = (held ??= read());
    if (--left === 0) [held, left] = [undefined, uses];
    return result;
  };
};

/** Unsigned codes in the format of MatMulNBits: bytes, or nibbles with the first of two numbers in the low one. */
const packed = (codes: Int8Array, bits: 4 | 8): Uint8Array => {
  const bytes = new Uint8Array((codes.length * bits) / 8);
  if (bits === 8) {
    for (let index = 0; index < bytes.length; index++) bytes[index] = codes[index]! + 128;
    return bytes;
  }
  for (let index = 0; index < bytes.length; index++)
    bytes[index] = (codes[2 * index]! + 8) | ((codes[2 * index + 1]! + 8) << 4);
  return bytes;
};
