import { readmeExamples } from "./tools/readme-examples.mjs";
import { SlowFilesFirst } from "./tools/slow-files-first.mjs";
import { defineConfig } from "vitest/config";

/** Packages resolve to their sources, so that tests need no build. */
const conditions = ["@kvtuner/source", "module", "node", "development|production"];

export default defineConfig({
  plugins: [readmeExamples()],
  ssr: { resolve: { conditions } },
  resolve: { conditions },
  test: {
    include: ["{packages,apps,benchmarks,tools}/**/*.test.{ts,mjs}"],
    exclude: ["**/node_modules/**", "**/dist/**"],
    globalSetup: [
      "./packages/backend-cpu/tools/build-kernels.mjs",
      "./packages/backend-webgpu/tools/build-kernels.mjs",
    ],
    setupFiles: ["./tools/fast-check-seed.mjs"],
    maxWorkers: "100%",
    sequence: { sequencer: SlowFilesFirst },
    testTimeout: 120_000,
  },
});
