import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

const conditions = ["@kvtuner/source", "module", "browser", "development|production"];

/** Cross-origin isolation gives a page SharedArrayBuffer. */
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

/** Conformance of what claims to run in a browser; `KVTUNER_CHROMIUM` names the browser (tools/checks/browser-tests.mjs). */
export default defineConfig({
  resolve: { conditions },
  server: { headers },
  test: {
    include: ["packages/*/src/**/*.browser-test.ts"],
    globalSetup: ["./packages/backend-cpu/tools/build-kernels.mjs"],
    testTimeout: 300_000,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: { executablePath: process.env["KVTUNER_CHROMIUM"] ?? "", args: ["--no-sandbox"] },
      }),
      instances: [{ browser: "chromium" }],
    },
  },
});
