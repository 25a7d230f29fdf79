import { floatOf, integerOf } from "../../onnx/attributes.ts";
import { assertInputs, assertLastAxis } from "../attribute-check.ts";
import { unsupported } from "../backward-error.ts";
import { byInput, type Call, fixed, type Rule } from "../rule.ts";

/** `y = x r w` with `r = 1 / sqrt(mean(x^2) + epsilon)`: `r (g w - x r mean(g w x r))`. */
const rmsNorm: Rule = byInput((call) => {
  assertLastAxis(call);
  const [x, weight] = call.input as [string, string];
  const scale = rootMeanSquare(call, x);
  const unit = call.emit("Div", [x, scale]);
  const weighted = call.emit("Mul", [call.cotangent(), weight]);
  const along = lastMean(call, call.emit("Mul", [weighted, unit]));
  return call.emit("Div", [call.emit("Sub", [weighted, call.emit("Mul", [unit, along])]), scale]);
}, fixed);

const rootMeanSquare = (call: Call, x: string): string => {
  const square = lastMean(call, call.emit("Mul", [x, x]));
  const epsilon = call.number(floatOf(call.node, "epsilon", 1e-5));
  return call.emit("Sqrt", [call.emit("Add", [square, epsilon])]);
};

const lastMean = (call: Call, x: string): string => call.emit("ReduceMean", [x, call.integers([-1])], { keepdims: 1 });

/** `y (g - sum(g y))` */
const softmax: Rule = byInput((call) => {
  assertLastAxis(call);
  const [y] = call.output as [string];
  const along = call.emit("ReduceSum", [call.emit("Mul", [call.cotangent(), y]), call.integers([-1])], { keepdims: 1 });
  return call.emit("Mul", [call.emit("Sub", [call.cotangent(), along]), y]);
});

/** Turns back: the same operation with the opposite angles. */
const rotary: Rule = byInput(
  (call) => {
    assertInputs(call, 3);
    const [x, cosine, sine] = call.input as [string, string, string];
    const [sequences, , width] = call.dims(x);
    if (call.dims(x).length !== 3 || sequences !== 1 || typeof width !== "number")
      throw unsupported("RotaryEmbedding of another input than one sequence of rows of known size");
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
  },
  fixed,
  fixed,
);

const samplesOf = (call: Call): string => call.emit("Shape", [call.cotangent()], { start: 0, end: 1 });

/** Operators on each row by itself. */
export const rowRules: Readonly<Record<string, Rule>> = {
  RMSNormalization: rmsNorm,
  Softmax: softmax,
  RotaryEmbedding: rotary,
};
