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

describe.skipIf(!known).each(["relaxed", "dot-products"] as const)(
  `with %s SIMD${known ? "" : " (this engine does not validate it)"}`,
  (simd) => {
    conformance(simd);
  },
);

test("relaxed SIMD is used if the engine has it", async () => {
  const { simd } = await createCpuBackend();
  expect(known ? ["relaxed", "dot-products"] : ["baseline"]).toContain(simd);
  expect((await createCpuBackend({ simd: "baseline" })).simd).toBe("baseline");
});

test.each(["relaxed", "dot-products"] as const)("%s SIMD is rejected by name if the engine lacks it", async (simd) => {
  const outcome = await createCpuBackend({ simd }).then(
    (backend) => backend.simd,
    (error: unknown) => (error as { code: string }).code,
  );
  expect(outcome).toBe(known ? simd : "BACKEND_SIMD");
});

test("an unknown module is rejected on any engine", async () => {
  const asked = createCpuBackend({ simd: "fastest" as Simd });
  await expect(asked).rejects.toMatchObject({ code: "BACKEND_SIMD_UNKNOWN" });
});

test.each([
  [[1, -3], [1.001, -3], true],
  [[1, -3], [1, -2.99], false],
  [[1, -3], [1, Number.NaN], false],
])("the self-test tells %j from %j: %s", (expected, got, same) => {
  expect(agree(expected, got)).toBe(same);
});
