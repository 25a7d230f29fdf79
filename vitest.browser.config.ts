import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const conditions = ["@kvtuner/source", "module", "browser", "development|production"];

/** Pages that are opened from a test in Node. */
const nodeConditions = ["@kvtuner/source", "module", "node", "development|production"];

/** Cross-origin isolation gives a page SharedArrayBuffer. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

const globalSetup = [
  "./packages/backend-cpu/tools/build-kernels.mjs",
  "./packages/backend-webgpu/tools/build-kernels.mjs",
];

/** What claims to run in a browser; `KVTUNER_CHROMIUM` names the browser (tools/browser.mjs finds one). */
export default defineConfig({
  test: {
    projects: [
      {
        // ONNX Runtime's WebAssembly is a file of its own, also of a page under test.
        resolve: { conditions: [...conditions, "onnxruntime-web-use-extern-wasm"] },
        optimizeDeps: { exclude: ["onnxruntime-web"] },
        server: { headers },
        test: {
          name: "in a browser",
          include: ["{packages,examples}/*/src/**/*.browser-test.ts"],
          globalSetup,
          setupFiles: ["./tools/fast-check-seed.mjs"],
          testTimeout: 300_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath: process.env["KVTUNER_CHROMIUM"] ?? "",
                args: ["--no-sandbox", "--enable-unsafe-webgpu"],
              },
            }),
            instances: [{ browser: "chromium" }],
          },
        },
      },
      {
        resolve: { conditions: nodeConditions },
        ssr: { resolve: { conditions: nodeConditions } },
        test: {
          name: "with a browser",
          include: ["apps/*/test/**/*.browser-test.ts"],
          globalSetup,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
