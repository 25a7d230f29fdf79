import { integerOf } from "../../onnx/attributes.ts";
import { unsupported } from "../backward-error.ts";
import { byInput, type Call, type Rule, unbroadcast } from "../rule.ts";

/** A tensor of the forward graph with its last two axes swapped. */
const transposed = (call: Call, tensor: string): string => {
  const rank = call.dims(tensor).length;
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  return call.emit("Transpose", [tensor], { perm: [...axes.slice(0, -2), rank - 1, rank - 2] });
};

/** `input matrix^T`: the product with the matrix as stored, which needs no copy of it. */
const gemm: Rule = byInput(
  (call) => {
    const matrix = call.input[1]!;
    const isTransposed = integerOf(call.node, "transB", 0) === 1;
    return call.emit("MatMul", [call.cotangent(), isTransposed ? matrix : transposed(call, matrix)]);
  },
  undefined,
  (call) => unbroadcast(call, 2, call.cotangent()),
);

const matMul: Rule = byInput(
  (call) => call.emit("MatMul", [call.cotangent(), transposed(call, call.input[1]!)]),
  (call) => {
    const [left, right] = call.input as [string, string];
    if (call.dims(left).length !== call.dims(right).length) throw unsupported("a product with a repeated matrix");
    return call.emit("MatMul", [transposed(call, left), call.cotangent()]);
  },
);

/** Matrix products. */
export const productRules: Readonly<Record<string, Rule>> = { Gemm: gemm, MatMul: matMul };
