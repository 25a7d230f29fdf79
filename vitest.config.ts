import { defineConfig } from "vitest/config";
import { filesApart } from "./tools/files-apart.mjs";
import { readmeExamples } from "./tools/readme-examples.mjs";
import { SlowFilesFirst } from "./tools/slow-files-first.mjs";

/** Packages resolve to their sources, so that tests need no build. */
const conditions = ["@kvtuner/source", "module", "node", "development|production"];

const include = ["{packages,apps,benchmarks,tools}/**/*.test.{ts,mjs}"];
const exclude = ["**/node_modules/**", "**/dist/**"];
const apart = filesApart();

export default defineConfig({
  plugins: [readmeExamples()],
  ssr: { resolve: { conditions } },
  resolve: { conditions },
  test: {
    globalSetup: [
      "./packages/backend-cpu/tools/build-kernels.mjs",
      "./packages/backend-webgpu/tools/build-kernels.mjs",
    ],
    setupFiles: ["./tools/fast-check-seed.mjs"],
    maxWorkers: "100%",
    sequence: { sequencer: SlowFilesFirst },
    testTimeout: 120_000,
    projects: [
      // Loading modules takes longer than most tests: files share a worker and what it has loaded.
      { extends: true, test: { name: "together", include, exclude: [...exclude, ...apart], isolate: false } },
      { extends: true, test: { name: "apart", include: apart, exclude } },
    ],
  },
});
