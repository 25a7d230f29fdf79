import { floatOf, integerOf } from "../../onnx/attributes.ts";
import { assertAttribute, assertInputs } from "../attribute-check.ts";
import { unsupported } from "../backward-error.ts";
import type { Dims } from "../graph-parts.ts";
import { byInput, type Call, fixed, type Rule, unbroadcast } from "../rule.ts";

/** A tensor of the forward graph with its last two axes swapped. */
const transposed = (call: Call, tensor: string): string => {
  const rank = call.dims(tensor).length;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return call.emit("Transpose", [tensor], { perm: [...axes.slice(0, -2), rank - 1, rank - 2] });
};

/** `input matrix^T`: the product with the matrix as stored, which needs no copy of it. */
const gemm: Rule = byInput(
  (call) => {
    assertPlain(call);
    const matrix = call.input[1]!;
    const isTransposed = integerOf(call.node, "transB", 0) === 1;
    return call.emit("MatMul", [call.cotangent(), isTransposed ? matrix : transposed(call, matrix)]);
  },
  fixed,
  (call) => {
    assertPlain(call);
    return unbroadcast(call, 2, call.cotangent());
  },
);

const assertPlain = (call: Call): void => {
  assertAttribute(call, "alpha", floatOf(call.node, "alpha", 1), 1);
  assertAttribute(call, "beta", floatOf(call.node, "beta", 1), 1);
  assertAttribute(call, "transA", integerOf(call.node, "transA", 0), 0);
};

const matMul: Rule = byInput(
  (call) => {
    const [left, right] = call.input.map((name) => call.dims(name)) as [Dims, Dims];
    if (right.length !== 2 && !isSameBatch(left, right)) throw unsupported("MatMul with a repeated first input");
    return call.emit("MatMul", [call.cotangent(), transposed(call, call.input[1]!)]);
  },
  (call) => {
    const [left, right] = call.input as [string, string];
    if (!isSameBatch(call.dims(left), call.dims(right))) throw unsupported("MatMul with a repeated second input");
    return call.emit("MatMul", [transposed(call, left), call.cotangent()]);
  },
);

/** Whether products pair each matrix with one other. Unknown sizes are taken to be equal. */
const isSameBatch = (left: Dims, right: Dims): boolean =>
  left.length === right.length && left.slice(0, -2).every((size, axis) => isSameSize(size, right[axis]!));

const isSameSize = (left: Dims[number], right: Dims[number]): boolean =>
  left === right || typeof left === "string" || typeof right === "string";

/**
 * Codes of blocks become a float32 matrix for the time of this product. Its codes are unsigned, and those of MatMulNBits are from their
 * middle: the sum of each block's scales, times that middle, is taken off.
 */
const matMulNBits: Rule = byInput((call) => {
  const [input, codes, scales, zeroPoints = "", order = ""] = call.input as [string, string, string, string?, string?];
  // The sixth is a bias, which is added.
  assertInputs(call, 6);
  if (order !== "") throw unsupported("a matrix of codes in another order");
  const [rows, columns, bits, blockSize] = ["N", "K", "bits", "block_size"].map((name) =>
    integerOf(call.node, name),
  ) as [number, number, number, number];
  if (zeroPoints !== "" || (bits !== 4 && bits !== 8))
    throw unsupported("a matrix of codes with zero points, or not of 4 or 8 bits");
  const blocks = columns / blockSize;
  const factors = call.emit("Reshape", [scales, call.integers([rows, blocks])]);
  const unsigned = call.codes(codes, bits, [rows, columns]);
  const matrix = call.emit("DequantizeLinear", [unsigned, factors], { axis: 1, block_size: blockSize });
  const product = call.emit("MatMul", [call.cotangent(), matrix]);
  const middle = call.emit("Mul", [call.emit("MatMul", [call.cotangent(), factors]), call.number(2 ** (bits - 1))]);
  const repeated = call.emit("Expand", [
    call.emit("Unsqueeze", [middle, call.integers([-1])]),
    call.integers([blockSize]),
  ]);
  return call.emit("Sub", [product, call.emit("Reshape", [repeated, call.cotangentShapeOf(input)])]);
});

/** Matrix products. */
export const productRules: Readonly<Record<string, Rule>> = { Gemm: gemm, MatMul: matMul, MatMulNBits: matMulNBits };
