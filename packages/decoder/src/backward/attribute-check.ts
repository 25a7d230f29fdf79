import { integerOf } from "../onnx/attributes.ts";
import { unsupported } from "./backward-error.ts";
import type { Call } from "./rule.ts";

/** Refuses an attribute of another value than the one that a rule handles. */
export const assertAttribute = <Value extends number | string>(
  { node }: Call,
  name: string,
  actual: Value,
  handled: Value,
): void => {
  if (actual !== handled) throw unsupported(`${node.opType} with ${name} ${actual}`);
};

/** Refuses the axis of an operator, by default the last one, if it is another. */
export const assertLastAxis = (call: Call): void => {
  const axis = integerOf(call.node, "axis", -1);
  const last = call.dims(call.input[0]!).length - 1;
  assertAttribute(call, "axis", axis === last ? -1 : axis, -1);
};

/** Refuses optional inputs that a rule does not handle. */
export const assertInputs = ({ node, input }: Call, most: number): void => {
  if (input.slice(most).some((name) => name !== "")) throw unsupported(`${node.opType} with more than ${most} inputs`);
};
