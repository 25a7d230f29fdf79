import { defineConfig } from "vitest/config";
import { readmeExamples } from "./tools/readme-examples.mjs";

const conditions = ["@kvtuner/source", "module", "node", "development|production"];

/** Kernels for GPUs, in Node: WebGPU on a Vulkan driver in software (tools/vulkan.mjs finds one), CUDA compiled for the CPU. */
export default defineConfig({
  plugins: [readmeExamples()],
  ssr: { resolve: { conditions } },
  resolve: { conditions },
  test: {
    include: ["packages/*/src/**/*.gpu-test.ts", "apps/*/test/**/*.gpu-test.ts", "benchmarks/test/*.gpu-test.ts"],
    globalSetup: ["./packages/backend-webgpu/tools/build-kernels.mjs"],
    // Loading modules and drivers takes longer than most tests: files share a worker and what it has loaded.
    isolate: false,
    setupFiles: ["./tools/fast-check-seed.mjs"],
    maxWorkers: "100%",
    testTimeout: 300_000,
  },
});
