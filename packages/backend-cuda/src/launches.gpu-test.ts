import { layerScheme } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { describe, expect, test } from "vitest";
import { LAUNCH_TOKENS } from "./store/attend.ts";
import { noCompiler } from "./test-support/compile-driver.ts";
import { createCudaBackendOnCpu } from "./test-support/cpu-backend.ts";

const SHAPE = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 16, valueSize: 32 };
const PLAN = { shape: SHAPE, layers: [layerScheme("per-token", { key: 8, value: 8 })] };
const TOKENS = LAUNCH_TOKENS + 20;

/** Rows `first .. end - 1` of a prompt whose numbers do not repeat. */
const rows = (size: number, step: number, first: number, end: number): Tensor => {
  const numbers = Float32Array.from({ length: (end - first) * size }, (_, i) => Math.sin(step * (first * size + i)));
  return new Tensor("float32", numbers, [1, end - first, size]);
};

const reason = noCompiler();

describe.skipIf(reason)(`launches of a prompt, on the CPU${reason ? ` (${reason})` : ""}`, () => {
  test("find their queries and outputs when values have another size than keys", async () => {
    const backend = await createCudaBackendOnCpu();
    const outputOf = async (...ends: readonly number[]): Promise<number[]> => {
      const cache = await backend.createCache(SHAPE, PLAN);
      const outputs: number[] = [];
      for (const [index, end] of ends.entries()) {
        const first = ends[index - 1] ?? 0;
        const call = [rows(16, 1.7, first, end), rows(16, 1.1, first, end), rows(32, 0.7, first, end)] as const;
        outputs.push(...((await cache.attend(0, ...call)).data as Float32Array));
      }
      return outputs;
    };
    const [whole, pieces] = [await outputOf(TOKENS), await outputOf(LAUNCH_TOKENS - 50, TOKENS)];
    const difference = Math.max(...whole.map((number, index) => Math.abs(number - pieces[index]!)));
    expect(whole).toHaveLength(TOKENS * 32);
    expect(difference).toBeLessThan(1e-5);
    await backend.dispose();
  });
});
