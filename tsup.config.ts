import { defineConfig, type Options } from "tsup";

/** Shared build: ESM only, one file an entry, declarations beside it. */
export const base = (entry: string[] = ["src/index.ts"]): Options => ({
  entry,
  format: "esm",
  target: "node20",
  dts: { compilerOptions: { ignoreDeprecations: "6.0" } },
  sourcemap: true,
  clean: true,
});

export default defineConfig(base());
