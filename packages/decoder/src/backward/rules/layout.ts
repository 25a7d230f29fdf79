import { integerOf, integersOf } from "../../onnx/attributes.ts";
import { assertLastAxis } from "../attribute-check.ts";
import { unsupported } from "../backward-error.ts";
import { byInput, type Call, type Rule } from "../rule.ts";

/** Gives the cotangent the sizes of the input. */
const reshaped: Rule = byInput((call) =>
  call.emit("Reshape", [call.cotangent(), call.cotangentShapeOf(call.input[0]!)]),
);

const transposed: Rule = byInput((call) => {
  const order = integersOf(call.node, "perm");
  if (order.length === 0) throw unsupported("Transpose without perm");
  const inverse = order.map((_, axis) => order.indexOf(axis) + 1);
  return call.emit("Transpose", [call.cotangent()], { perm: [0, ...inverse] });
});

/** An axis of a tensor, in its cotangent. */
const cotangentAxis = (axis: number): number => (axis < 0 ? axis : axis + 1);

/** Takes the part of an input out of the cotangent. */
const concat: Rule = (input) => (call) => {
  const axis = integerOf(call.node, "axis", 0);
  const sizeOf = (tensor: string): string =>
    call.emit("Gather", [call.shapeOf(tensor), call.integers([axis])], { axis: 0 });
  /** Where the part of an input starts. */
  const startOf = (index: number): string =>
    index === 0
      ? call.integers([0])
      : call.once(`start of input ${index} of ${call.output[0]!}`, () =>
          call.emit("Add", [startOf(index - 1), sizeOf(call.input[index - 1]!)]),
        );
  const ends = [startOf(input), startOf(input + 1)];
  return call.emit("Slice", [call.cotangent(), ...ends, call.integers([cotangentAxis(axis)])]);
};

/** Adds the cotangent of each row taken to that row. */
const gather: Rule = byInput((call) => {
  const [data, indices] = call.input as [string, string];
  if (integerOf(call.node, "axis", 0) !== 0 || call.dims(indices).length !== 1)
    throw unsupported("Gather of other things than rows, which are those of axis 0 by a list of indices");
  const order = call.dims(data).map((_, axis) => axis + 1);
  const swap = { perm: [1, 0, ...order.slice(1)] };
  const updates = call.emit("Transpose", [call.cotangent()], swap);
  const empty = call.emit("Expand", [
    call.number(0),
    call.emit("Gather", [call.cotangentShapeOf(data), call.integers(swap.perm)], { axis: 0 }),
  ]);
  const places = call.emit("Unsqueeze", [indices, call.integers([-1])]);
  return call.emit("Transpose", [call.emit("ScatterND", [empty, places, updates], { reduction: "add" })], swap);
});

/** Puts the cotangents of the largest numbers at their places. */
const topK: Rule = byInput((call) => {
  assertLastAxis(call);
  const [values, places] = call.output as [string, string];
  const empty = call.emit("Expand", [call.number(0), call.cotangentShapeOf(call.input[0]!)]);
  const indices = call.emit("Expand", [places, call.cotangentShapeOf(values)]);
  return call.emit("ScatterElements", [empty, indices, call.cotangent()], { axis: -1 });
});

/** Slices from the start: puts zeros behind. */
const slice: Rule = byInput((call) => {
  if (call.constantIntegers(call.input[1]!)?.some((start) => start !== 0) !== false)
    throw unsupported("Slice with other starts than 0");
  const [, , , , steps = ""] = call.input;
  if (steps !== "" && call.constantIntegers(steps)?.every((step) => step === 1) !== true)
    throw unsupported("Slice with other steps than 1");
  const rank = call.dims(call.input[0]!).length;
  const lost = call.emit("Sub", [call.shapeOf(call.input[0]!), call.shapeOf(call.output[0]!)]);
  const before = call.integers(Array.from({ length: rank + 2 }, () => 0));
  return call.emit("Pad", [call.cotangent(), call.emit("Concat", [before, lost], { axis: 0 }), call.number(0)]);
});

const split: Rule = byInput((call) =>
  call.emit(
    "Concat",
    call.output.map((_, index) => call.cotangent(index)),
    { axis: cotangentAxis(integerOf(call.node, "axis", 0)) },
  ),
);

/** Repeats the cotangent along the axes that were summed. */
const reduceSum: Rule = byInput((call) => {
  const axes = call.constantIntegers(call.input[1] ?? "") ?? [];
  if (axes.length === 0) throw unsupported("ReduceSum without constant axes");
  const rank = call.dims(call.input[0]!).length;
  const isKept = integerOf(call.node, "keepdims", 1) === 1;
  const fromEnd = call.integers(axes.map((axis) => (axis < 0 ? axis : axis - rank)));
  const kept = isKept ? call.cotangent() : call.emit("Unsqueeze", [call.cotangent(), fromEnd]);
  return repeated(call, kept);
});

const repeated = (call: Call, cotangent: string): string =>
  call.emit("Expand", [cotangent, call.cotangentShapeOf(call.input[0]!)]);

/** Operators that move, repeat or sum numbers. */
export const layoutRules: Readonly<Record<string, Rule>> = {
  Reshape: reshaped,
  Unsqueeze: reshaped,
  Squeeze: reshaped,
  Transpose: transposed,
  Concat: concat,
  Slice: slice,
  Split: split,
  ReduceSum: reduceSum,
  Gather: gather,
  TopK: topK,
};
