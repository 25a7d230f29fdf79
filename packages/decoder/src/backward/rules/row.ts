import { floatOf, integerOf } from "../../onnx/attributes.ts";
import { unsupported } from "../backward-error.ts";
import { byInput, type Call, type Rule } from "../rule.ts";

/** `y = x r w` with `r = 1 / sqrt(mean(x^2) + epsilon)`: `r (g w - x r mean(g w x r))`. */
const rmsNorm: Rule = byInput((call) => {
  const [x, weight] = call.input as [string, string];
  const scale = rootMeanSquare(call, x);
  const unit = call.emit("Div", [x, scale]);
  const weighted = call.emit("Mul", [call.cotangent(), weight]);
  const along = lastMean(call, call.emit("Mul", [weighted, unit]));
  return call.emit("Div", [call.emit("Sub", [weighted, call.emit("Mul", [unit, along])]), scale]);
});

const rootMeanSquare = (call: Call, x: string): string => {
  const square = lastMean(call, call.emit("Mul", [x, x]));
  const epsilon = call.number(floatOf(call.node, "epsilon", 1e-5));
  return call.emit("Sqrt", [call.emit("Add", [square, epsilon])]);
};

const lastMean = (call: Call, x: string): string => call.emit("ReduceMean", [x, call.integers([-1])], { keepdims: 1 });

/** `y (g - sum(g y))` */
const softmax: Rule = byInput((call) => {
  const [y] = call.output as [string];
  const along = call.emit("ReduceSum", [call.emit("Mul", [call.cotangent(), y]), call.integers([-1])], { keepdims: 1 });
  return call.emit("Mul", [call.emit("Sub", [call.cotangent(), along]), y]);
});

/** Turns back: the same operation with the opposite angles. */
const rotary: Rule = byInput((call) => {
  const [x, cosine, sine] = call.input as [string, string, string];
  const width = call.dims(x).at(-1)!;
  if (typeof width !== "number") throw unsupported("RoPE of heads of unknown size");
  // One sequence; the cotangents become the batch.
  const batch = call.emit("Reshape", [call.cotangent(), call.integers([0, -1, width])]);
  const ofBatch = (table: string): string =>
    call.emit("Expand", [table, call.emit("Concat", [samplesOf(call), call.integers([1, 1])], { axis: 0 })]);
  const turned = call.emit(
    "RotaryEmbedding",
    [batch, ofBatch(cosine), ofBatch(call.emit("Neg", [sine]))],
    Object.fromEntries(call.node.attribute.map(({ name }) => [name, integerOf(call.node, name)])),
    call.node.domain,
  );
  return call.emit("Reshape", [turned, call.cotangentShapeOf(x)]);
});

const samplesOf = (call: Call): string => call.emit("Shape", [call.cotangent()], { start: 0, end: 1 });

/** Operators on each row by itself. */
export const rowRules: Readonly<Record<string, Rule>> = {
  RMSNormalization: rmsNorm,
  Softmax: softmax,
  RotaryEmbedding: rotary,
};
