import { readFileSync } from "node:fs";
import { LAWS } from "@kvtuner/backend/test";
import { afterAll, describe, expect, test } from "vitest";
import { createCudaBackend } from "./cuda-backend.ts";
import { kernelFolder } from "./kernel-folder.ts";
import { compileDriver, noCompiler } from "./test-support/compile-driver.ts";
import { createMistakenKernels } from "./test-support/mistaken-kernels.ts";
import { withoutTransform } from "./test-support/without-transform.ts";

/** Largest error allowed in an output. */
const TOLERANCE = 1e-3;

const mistakes = createMistakenKernels();

/** Runs the law about channels with large offsets under changed kernels. */
const farOut = (...change: [file: string, right: string, wrong: string]): Promise<void> => {
  const driver = compileDriver(mistakes.make(...change));
  return LAWS["far-out"].check({
    name: "cuda",
    tolerance: TOLERANCE,
    createBackend: async () => withoutTransform(await createCudaBackend({ driver, kernels: "ptx" })),
  });
};

const reason = noCompiler();

/** Shows why kernels multiply in float32. docs/decisions/2026-11-28-exact-sums-on-tensor-cores.md quotes this output. */
describe.skipIf(reason)(`half2 arithmetic${reason ? ` (${reason})` : ""}`, () => {
  afterAll(() => {
    mistakes.remove();
  });

  test("would take queries in float16, and their rounding alone is too much for scores of thousands", async () => {
    const right = "load(vector + index % headSize) * args.scale :";
    const wrong = "floatFromHalf(halfFromFloat(load(vector + index % headSize) * args.scale)) :";
    const error = await farOut("attention-block.cuh", right, wrong).catch((caught: unknown) => caught as Error);
    console.log(String(error));
    expect(error).toMatchObject({ code: "BACKEND_LAW" });
  });

  test("would make products in float16, and their rounding alone is too much as well", async () => {
    const source = readFileSync(new URL("attention-scores.cuh", kernelFolder), "utf8");
    const [right] = source.match(/float sum = numbers\.x[^}]*numbers\.w, keys\[token\]\[3\], sum\);/)!;
    const products = ["x", "y", "z", "w"].map(
      (part, i) => `floatFromHalf(halfFromFloat(numbers.${part} * keys[token][${i}]))`,
    );
    const wrong = `scores[row][token] += ${products.join(" + ")};`;
    const error = await farOut("attention-scores.cuh", right, wrong).catch((caught: unknown) => caught as Error);
    console.log(String(error));
    expect(error).toMatchObject({ code: "BACKEND_LAW" });
  });
});
