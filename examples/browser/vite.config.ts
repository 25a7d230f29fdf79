import { defineConfig } from "vite";

/** Threads need SharedArrayBuffer, which a page has only if it is isolated from other origins. */
const headers = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

export default defineConfig({
  base: "./",
  // In this repository, packages resolve to their sources. ONNX Runtime's WebAssembly is a file of its own.
  resolve: {
    conditions: ["@kvtuner/source", "onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"],
  },
  server: { headers },
  preview: { headers },
  worker: { format: "es" },
  build: { target: "es2023", assetsInlineLimit: 0 },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
});
