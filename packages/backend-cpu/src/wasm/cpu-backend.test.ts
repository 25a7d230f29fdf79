import { testBackend } from "@kvtuner/backend/test";
import { describe, expect, test } from "vitest";
import { createCpuBackend } from "./cpu-backend.ts";
import { agree } from "./kernel-choice.ts";
import { knowsRelaxedSimd, type Simd } from "./kernel-module.ts";

const loader = new URL("../../../../tools/typescript-loader.mjs", import.meta.url).href;

const known = knowsRelaxedSimd();

const conformance = (simd: Simd): void =>
  testBackend({
    name: "cpu",
    createBackend: () => createCpuBackend({ simd }),
    createSmallBackend: (limits) => createCpuBackend({ ...limits, simd }),
    backendModule: {
      url: new URL("./cpu-backend.ts", import.meta.url).href,
      exportName: "createCpuBackend",
      nodeOptions: ["--conditions=@kvtuner/source", "--import", loader],
    },
  });

describe("with baseline SIMD", () => {
  conformance("baseline");
});

describe.skipIf(!known)(`with relaxed SIMD${known ? "" : " (this engine does not validate it)"}`, () => {
  conformance("relaxed");
});

test("relaxed SIMD is taken where there is some, and refused by name where there is none", async () => {
  expect((await createCpuBackend()).simd).toBe(known ? "relaxed" : "baseline");
  expect((await createCpuBackend({ simd: "baseline" })).simd).toBe("baseline");
  const outcome = await createCpuBackend({ simd: "relaxed" }).then(
    ({ simd }) => simd,
    (error: unknown) => (error as { code: string }).code,
  );
  expect(outcome).toBe(known ? "relaxed" : "BACKEND_SIMD");
});

test.each([
  [[1, -3], [1.001, -3], true],
  [[1, -3], [1, -2.99], false],
  [[1, -3], [1, Number.NaN], false],
])("the self-test tells %j from %j: %s", (expected, got, same) => {
  expect(agree(expected, got)).toBe(same);
});
