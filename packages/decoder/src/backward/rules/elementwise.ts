import { textOf } from "../../onnx/attributes.ts";
import { assertAttribute, assertInputs } from "../attribute-check.ts";
import { byInput, type Call, fixed, type InputRule, type Rule, unbroadcast } from "../rule.ts";

/** Multiplies the cotangent by a factor of the input's sizes, then sums over repeated axes. */
const scaled =
  (input: number, factor: (call: Call) => string): InputRule =>
  (call) =>
    unbroadcast(call, input, call.emit("Mul", [call.cotangent(), factor(call)]));

const passed =
  (input: number): InputRule =>
  (call) =>
    unbroadcast(call, input, call.cotangent());

const negated =
  (input: number): InputRule =>
  (call) =>
    unbroadcast(call, input, call.emit("Neg", [call.cotangent()]));

/** `1 - x` */
const complement = (call: Call, x: string): string => call.emit("Sub", [call.number(1), x]);

const sigmoidSlope = (call: Call): string => call.emit("Mul", [call.output[0]!, complement(call, call.output[0]!)]);

const tanhSlope = (call: Call): string => complement(call, call.emit("Mul", [call.output[0]!, call.output[0]!]));

const divisorSlope = (call: Call): string => call.emit("Neg", [call.emit("Div", [call.output[0]!, call.input[1]!])]);

/** Constants of the tanh approximation: `gelu(x) = x / 2 * (1 + tanh(ROOT * (x + CUBIC * x^3)))`. */
const [ROOT, CUBIC] = [Math.sqrt(2 / Math.PI), 0.044715];

/** `(1 + t) / 2 + x / 2 * (1 - t^2) * ROOT * (1 + 3 CUBIC x^2)`, with `t` the tanh. */
const geluSlope = (call: Call): string => {
  assertAttribute(call, "approximate", textOf(call.node, "approximate", "none"), "tanh");
  const [x] = call.input as [string];
  const square = call.emit("Mul", [x, x]);
  const inner = call.emit("Mul", [x, affine(call, square, ROOT * CUBIC, ROOT)]);
  const tanh = call.emit("Tanh", [inner]);
  const bend = call.emit("Mul", [
    complement(call, call.emit("Mul", [tanh, tanh])),
    call.emit("Mul", [x, affine(call, square, 1.5 * ROOT * CUBIC, 0.5 * ROOT)]),
  ]);
  return call.emit("Add", [affine(call, tanh, 0.5, 0.5), bend]);
};

/** `factor * x + shift` */
const affine = (call: Call, x: string, factor: number, shift: number): string =>
  call.emit("Add", [call.emit("Mul", [x, call.number(factor)]), call.number(shift)]);

/** Passes the cotangent on where a condition holds. */
const where =
  (condition: (call: Call) => string): InputRule =>
  (call) =>
    unbroadcast(call, 0, call.emit("Where", [condition(call), call.cotangent(), call.number(0)]));

const isBelow = (call: Call): string => {
  assertInputs(call, 2);
  return call.emit("Less", [call.input[0]!, call.input[1]!]);
};

const isInside = (call: Call): string =>
  call.emit("And", [
    call.emit("Greater", [call.input[0]!, call.input[1]!]),
    call.emit("Less", [call.input[0]!, call.input[2]!]),
  ]);

/** Operators on each number by itself. */
export const elementwiseRules: Readonly<Record<string, Rule>> = {
  Identity: byInput((call) => call.cotangent()),
  Add: byInput(passed(0), passed(1)),
  Sub: byInput(passed(0), negated(1)),
  Mul: byInput(
    scaled(0, ({ input }) => input[1]!),
    scaled(1, ({ input }) => input[0]!),
  ),
  Div: byInput(
    (call) => unbroadcast(call, 0, call.emit("Div", [call.cotangent(), call.input[1]!])),
    scaled(1, divisorSlope),
  ),
  Sigmoid: byInput(scaled(0, sigmoidSlope)),
  Tanh: byInput(scaled(0, tanhSlope)),
  Softplus: byInput(scaled(0, (call) => call.emit("Sigmoid", [call.input[0]!]))),
  Gelu: byInput(scaled(0, geluSlope)),
  Min: byInput(where(isBelow), fixed),
  Clip: byInput(where(isInside), fixed, fixed),
};
