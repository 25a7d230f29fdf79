import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { assertHeadFits, modesFor } from "./head-fit.ts";
import { layerScheme, MODES } from "./mode.ts";
import { parsePlan, serializePlan } from "./plan-file.ts";
import { uniformPlan } from "./uniform-plan.ts";

test.prop([fc.integer({ min: 1, max: 256 }), fc.constantFrom(...MODES)])(
  "a mode fits a head exactly when a plan of it can be read, and the error names a mode that does",
  (headSize, mode) => {
    const layer = layerScheme(mode, { key: 4, value: 2 });
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize };
    const read = (): unknown =>
      parsePlan(serializePlan(uniformPlan({ name: "m", architecture: "llama" }, shape, layer)));
    const check = (): void => assertHeadFits(layer, shape);
    const isIn = modesFor(headSize).includes(mode);
    expect([outcome(read), outcome(check)]).toEqual(isIn ? ["done", "done"] : ["PLAN_INVALID", "HEAD_TOO_SMALL"]);
  },
);

const outcome = (work: () => unknown): string => {
  try {
    work();
    return "done";
  } catch (error) {
    return (error as { code: string }).code;
  }
};

test("heads of 16 reject groups of 32, and name modes that fit", () => {
  expect(() => assertHeadFits(layerScheme("kivi", { key: 4, value: 4 }), { kvHeads: 1, headSize: 16 })).toThrow(
    "expected values on axis token to have a groupSize of at most the head size 16, got 32; use mode per-token or compact",
  );
});
