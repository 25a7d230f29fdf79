// Runs the packages' sources in plain Node:  node --conditions=@kvtuner/source --import ./tools/typescript-loader.mjs
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

/** Node's hook: strips types from TypeScript; loads everything else as usual. */
export const load = async (url, context, next) => {
  if (!url.endsWith(".ts")) return next(url, context);
  const { transform } = await import("esbuild"); // not needed on the main thread
  const source = await readFile(new URL(url), "utf8");
  const { code } = await transform(source, {
    loader: "ts",
    target: "es2023",
    supported: { "import-attributes": true },
  });
  return { format: "module", source: code, shortCircuit: true };
};

// Node runs hooks on a separate thread, from this same file.
if (isMainThread) register(import.meta.url);
