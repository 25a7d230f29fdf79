import { textOf } from "../../onnx/attributes.ts";
import { unsupported } from "../backward-error.ts";
import { byInput, type Call, fixed, type Rule } from "../rule.ts";

/**
 * `y[t] = f(bias + sum over i of w[i] x[t + i])`, where `x` are the inputs after those of the past, `[batch, channels, size - 1 +
 * tokens]`. The state after the last token are the last `size - 1` of them.
 */
const convolution: Rule = byInput(
  (call) => slice(call, inputGradient(call), call.integers([pastSize(call)]), call.integers([END])),
  fixed,
  fixed,
  (call) => slice(call, inputGradient(call), call.integers([0]), call.integers([pastSize(call)])),
);

/** Beyond the end of every axis. */
const END = 2 ** 31 - 1;

const pastSize = (call: Call): number => kernelSize(call) - 1;

const kernelSize = (call: Call): number => {
  const size = call.dims(call.input[1]!)[2];
  if (typeof size !== "number" || (call.input[3] ?? "") === "")
    throw unsupported("CausalConvWithState with a kernel of unknown size, or without a past state");
  return size;
};

/** Gradient of the inputs, those of the past included. */
const inputGradient = (call: Call): string =>
  call.once(`input gradient of ${call.output[0]!}`, () => {
    const inner = innerCotangent(call);
    const size = kernelSize(call);
    const tokens = call.emit("Shape", [call.input[0]!], { start: 2, end: 3 });
    const ofState = call.emit("Concat", [call.integers([0, 0, 0]), tokens, call.integers([0, 0, 0, 0])], { axis: 0 });
    return Array.from({ length: size }, (_, place) => {
      const part = call.emit("Mul", [inner, weightAt(call, place)]);
      return padded(call, part, call.integers([0, 0, 0, place, 0, 0, 0, size - 1 - place]));
    }).reduce((sum, part) => call.emit("Add", [sum, part]), padded(call, call.cotangent(1), ofState));
  });

/** The cotangent before the activation, which is computed again. */
const innerCotangent = (call: Call): string => {
  const activation = textOf(call.node, "activation", "none");
  if (activation === "none") return call.cotangent();
  if (activation !== "silu" && activation !== "swish")
    throw unsupported(`CausalConvWithState with activation ${activation}`);
  const inner = preActivation(call);
  const share = call.emit("Sigmoid", [inner]);
  const rest = call.emit("Mul", [inner, call.emit("Sub", [call.number(1), share])]);
  const slope = call.emit("Mul", [share, call.emit("Add", [call.number(1), rest])]);
  return call.emit("Mul", [call.cotangent(), slope]);
};

const preActivation = (call: Call): string => {
  const [input, , bias = "", past] = call.input as [string, string, string?, string?];
  const inputs = call.emit("Concat", [past!, input], { axis: 2 });
  const tokens = call.emit("Shape", [input], { start: 2, end: 3 });
  const sum = Array.from({ length: kernelSize(call) }, (_, place) => {
    const start = call.integers([place]);
    const end = call.emit("Add", [start, tokens]);
    return call.emit("Mul", [slice(call, inputs, start, end), weightAt(call, place)]);
  }).reduce((left, right) => call.emit("Add", [left, right]));
  return bias === "" ? sum : call.emit("Add", [sum, call.emit("Unsqueeze", [bias, call.integers([1])])]);
};

/** `[channels, 1]` */
const weightAt = (call: Call, place: number): string =>
  call.once(`weight ${place} of ${call.output[0]!}`, () =>
    call.emit("Squeeze", [
      slice(call, call.input[1]!, call.integers([place]), call.integers([place + 1])),
      call.integers([1]),
    ]),
  );

/** Part of the last axis. */
const slice = (call: Call, tensor: string, start: string, end: string): string =>
  call.emit("Slice", [tensor, start, end, call.integers([-1])]);

const padded = (call: Call, tensor: string, sizes: string): string => call.emit("Pad", [tensor, sizes, call.number(0)]);

/** The convolution of recurrent layers. */
export const convolutionRules: Readonly<Record<string, Rule>> = { CausalConvWithState: convolution };
