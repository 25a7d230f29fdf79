import { expect, test } from "vitest";
import { estimatePasses, gradientPasses, measurePasses } from "../pipeline/forward-passes.ts";
import { searchSpace } from "../space/space.ts";
import { chooseMeasure, type MeasureInputs } from "./choose-measure.ts";
import { DEFAULT_PAIRS } from "./options.ts";

const shape = { layers: 12, queryHeads: 8, kvHeads: 2, headSize: 64 };
const space = searchSpace(shape, { mode: "compact", pairs: DEFAULT_PAIRS, context: 4096, cost: "true" });
const small = searchSpace({ ...shape, layers: 2 }, { ...space, mode: "compact", pairs: DEFAULT_PAIRS.slice(0, 2) });
/** Measuring takes less than the estimates and their check, but more than the estimates alone. */
const between = searchSpace({ ...shape, layers: 6 }, { ...space, mode: "compact", pairs: DEFAULT_PAIRS.slice(0, 2) });
const known = { gradients: async () => undefined };
const unknown = {};
const inputs: MeasureInputs = { model: known, space, tokens: 512, given: undefined, stored: undefined };

test.each([
  ["a model with gradients", {}, "gradient"],
  ["a model without", { model: unknown }, "kl"],
  ["a few choices of a few layers", { space: small }, "kl"],
  ["a space in which estimates are cheaper only without their check", { space: between }, "kl"],
  ["a study that measured", { stored: "kl" }, "kl"],
  ["a measure that the user names", { given: "eo", stored: "kl" }, "eo"],
  ["gradients by name, of a small space", { given: "gradient", space: small }, "gradient"],
] as const)("%s", (_, given, measure) => {
  const chosen = chooseMeasure({ ...inputs, ...given });
  expect(chosen.measure).toBe(measure);
  expect(chosen.fallsBack).toBe(!("given" in given));
  expect(chosen.note?.includes("ONNX") ?? false).toBe("model" in given);
});

test("the space between lies between", () => {
  const measured = measurePasses(between);
  expect(estimatePasses(between, inputs.tokens)).toBeLessThan(measured);
  expect(gradientPasses(between, inputs.tokens)).toBeGreaterThan(measured);
});

test("gradients that a model does not have are refused by name, and in a study that has them", () => {
  for (const named of [{ given: "gradient" }, { stored: "gradient" }] as const)
    expect(() => chooseMeasure({ ...inputs, ...named, model: unknown })).toThrow("use --measure kl");
});
