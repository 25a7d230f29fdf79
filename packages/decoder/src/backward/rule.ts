import type { NodeProto } from "onnx-buf";
import type { AttributeValue } from "../onnx/graph.ts";
import { unsupported } from "./backward-error.ts";
import type { ConstantIntegers, Dims } from "./graph-parts.ts";

/** Adds nodes and constants to a graph. */
export interface Emitter {
  /** Adds an operation; returns the name of its output. */
  emit(
    opType: string,
    inputs: readonly string[],
    attributes?: Readonly<Record<string, AttributeValue>>,
    domain?: string,
  ): string;
  /** A float32 scalar. */
  number(value: number): string;
  /** An int64 vector. */
  integers(values: readonly number[]): string;
  /** A constant of the forward graph with its bytes read as unsigned codes of 4 or 8 bits. */
  codes(constant: string, bits: 4 | 8, dims: readonly number[]): string;
  /** A name made by `make` at its first use. */
  once(key: string, make: () => string): string;
  /** Sizes of a tensor of the forward graph, `[rank]`. */
  shapeOf(tensor: string): string;
  /** Sizes of the cotangent of a tensor of the forward graph. */
  cotangentShapeOf(tensor: string): string;
  /** Static dimensions of a tensor of the forward graph. Throws where they are not known. */
  dims(tensor: string): Dims;
  readonly constantIntegers: ConstantIntegers;
}

/** One operation of the forward graph whose outputs have cotangents. */
export interface Call extends Emitter {
  readonly node: NodeProto;
  /** Names of tensors of the forward graph; empty for an absent input. */
  readonly input: readonly string[];
  readonly output: readonly string[];
  /**
   * The cotangent of an output, the first by default: that output's sizes after the number of cotangents. Zeros where the
   * scalar function does not depend on the output.
   */
  cotangent(output?: number): string;
}

/** Adds the vector-Jacobian product of a call to the graph: its contribution to the cotangent of one input. */
export type InputRule = (call: Call) => string;

/** Rules of one operator: of an input by its index, or undefined if outputs do not depend smoothly on that input. */
export type Rule = (input: number) => InputRule | undefined;

/** Of an input that is a constant in the models that can be differentiated: refuses others, as their gradient would be lost. */
export const fixed: InputRule = ({ node }) => {
  throw unsupported(`${node.opType} with another computed input than its first`);
};

/** Rules of the first inputs of an operator; others have none. */
export const byInput =
  (...rules: readonly (InputRule | undefined)[]): Rule =>
  (input) =>
    rules[input];

/** Sums a cotangent of a call's output over the axes along which an input was repeated. */
export const unbroadcast = (call: Call, input: number, cotangent: string): string => {
  const [own, output] = [call.dims(call.input[input]!), call.dims(call.output[0]!)];
  const missing = output.length - own.length;
  const repeated = own.flatMap((size, axis) => (size === 1 && output[axis + missing] !== 1 ? [axis - own.length] : []));
  const summed =
    repeated.length === 0 ? cotangent : call.emit("ReduceSum", [cotangent, call.integers(repeated)], { keepdims: 1 });
  if (missing === 0) return summed;
  const axes = Array.from({ length: missing }, (_, axis) => axis + 1);
  return call.emit("ReduceSum", [summed, call.integers(axes)], { keepdims: 0 });
};
