// Lets a plain Node run the sources of the packages:  node --conditions=@kvtuner/source --import ./tools/typescript-loader.mjs
import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { isMainThread } from "node:worker_threads";

/** Node's hook: TypeScript loses its types, everything else is loaded as ever. */
export const load = async (url, context, next) => {
  if (!url.endsWith(".ts")) return next(url, context);
  const { transform } = await import("esbuild"); // of no use to the main thread
  const source = await readFile(new URL(url), "utf8");
  const { code } = await transform(source, {
    loader: "ts",
    target: "es2023",
    supported: { "import-attributes": true },
  });
  return { format: "module", source: code, shortCircuit: true };
};

// Node runs hooks on a thread of their own, from this same file.
if (isMainThread) register(import.meta.url);
