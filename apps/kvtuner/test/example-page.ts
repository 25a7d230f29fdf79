import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, preview } from "vite";

/** The example page, built and served. */
export interface ServedPage {
  readonly url: string;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL("../../../examples/browser", import.meta.url));

/** Builds the example page into a folder of its own, and serves it. */
export const serveExamplePage = async (): Promise<ServedPage> => {
  const outDir = mkdtempSync(join(tmpdir(), "kvtuner-page-"));
  await build({ root, logLevel: "warn", build: { outDir, emptyOutDir: true } });
  const server = await preview({
    root,
    logLevel: "warn",
    build: { outDir },
    preview: { host: "127.0.0.1", port: 0 },
  });
  return {
    url: server.resolvedUrls?.local[0] ?? "",
    close: async () => {
      await server.close();
      rmSync(outDir, { recursive: true, force: true });
    },
  };
};
