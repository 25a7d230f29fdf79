import { layerScheme } from "@kvtuner/plan";
import { afterAll, describe, expect, test } from "vitest";
import { createCudaBackend } from "./cuda-backend.ts";
import { callTensors } from "./test-support/calls.ts";
import { noCompiler } from "./test-support/compile-driver.ts";
import { openCpuDriver } from "./test-support/cpu-driver.ts";
import { createMistakenKernels } from "./test-support/mistaken-kernels.ts";

const SHAPE = { layers: 1, queryHeads: 4, kvHeads: 1, headSize: 64 };
const PLAN = { shape: SHAPE, layers: [layerScheme("compact", { key: 4, value: 3 })] };

const mistakes = createMistakenKernels();

/** The last output of a prompt and a token, or the fault that ended it. */
const outcome = async (kernels?: string, tensorCores = false): Promise<Float32Array | string> => {
  const driver = openCpuDriver(kernels);
  const backend = await createCudaBackend({ driver: driver.path, kernels: "ptx", tensorCores });
  try {
    const cache = await backend.createCache(SHAPE, PLAN);
    await cache.attend(0, ...callTensors(SHAPE, 200));
    return (await cache.attend(0, ...callTensors(SHAPE, 1, 7))).data as Float32Array;
  } catch (error) {
    return driver.lastFault() || String(error);
  } finally {
    await backend.dispose();
  }
};

const reason = noCompiler();

describe.skipIf(reason)(`kernels on the CPU${reason ? ` (${reason})` : ""}`, () => {
  afterAll(() => {
    mistakes.remove();
  });

  test("copied as they are give the same", async () => {
    expect(
      await outcome(
        mistakes.make("attention-block.cuh", "constexpr int THREADS = 128;", "constexpr int THREADS = 0x80;"),
      ),
    ).toEqual(await outcome());
  });

  test.each([
    ["attention-weights.cuh", "    __syncwarp();\n  }\n  __syncthreads();\n}", "    __syncwarp();\n  }\n}"],
    [
      "rotation.cuh",
      "      row[first + half] = a - b;\n    }\n    __syncthreads();",
      "      row[first + half] = a - b;\n    }",
    ],
    [
      "encode.cu",
      "    chunkExtremes[chunk] = extremes;\n  }\n  __syncthreads();",
      "    chunkExtremes[chunk] = extremes;\n  }",
    ],
  ])("%s without one of its barriers gives other numbers, or none", async (...mistake) => {
    expect(await outcome(mistakes.make(...mistake))).not.toEqual(await outcome());
  });

  test("tensor cores without a barrier between scores and weights are refused", async () => {
    const right = "scoreCodesOnTensorCores<8>(key, work, tile, shared, laneQueries);\n  __syncthreads();";
    const kernels = mistakes.make("tensor-core-scores.cuh", right, right.replace("\n  __syncthreads();", ""));
    expect(await outcome(kernels, true)).toMatch(/expected tensor cores to give what float32 gives/);
  });

  test("a barrier that not all threads reach is told by kernel and line", async () => {
    const right = "  if (lane == 0) {\n      const float correction";
    const kernels = mistakes.make("attention-weights.cuh", right, right.replace("{\n", "{\n      __syncthreads();\n"));
    expect(await outcome(kernels)).toMatch(/^attend_8_rows: divergent barrier: .* waits at line \d+/);
  });

  test("a read beyond what was allocated is told by kernel", async () => {
    const kernels = mistakes.make("encode.cu", "if (index >= args.tokens * tensor.kvHeads * octets) return;", "");
    expect(await outcome(kernels)).toMatch(/^append_rows: read of memory that was not allocated/);
  });
});
