import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { buildCli, start, type Running } from "./built-cli.ts";
import { writeTinyModel } from "./tiny-model.ts";

/** The bundled CLI of a file's tests, and a folder of their own with a tiny model in it. */
export interface Cli {
  readonly folder: string;
  readonly model: string;
  /** Starts a command line, at home in the folder unless another home is given. */
  start(argv: readonly string[], input?: string, home?: string): Running;
  /** The same, with a stdin that stays open. */
  startOpen(argv: readonly string[]): Running;
  /** Path of the bundle. */
  script(): string;
}

/** Bundles the CLI before the tests of the file that calls it, and removes it after them. */
export const useCli = (): Cli => {
  const folder = mkdtempSync(join(tmpdir(), "kvtuner-cli-"));
  const model = join(folder, "tiny.gguf");
  let script = "";
  beforeAll(async () => {
    script = await buildCli();
    writeTinyModel(model);
  }, 120_000);
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    if (script !== "") rmSync(dirname(script), { recursive: true, force: true });
  });
  return {
    folder,
    model,
    start: (argv, input = "", home = folder) => start(script, argv, { KVTUNER_HOME: home }, input),
    startOpen: (argv) => start(script, argv, { KVTUNER_HOME: folder }, null),
    script: () => script,
  };
};
