import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { build } from "tsup";

const APP = join(import.meta.dirname, "..");

/** Bundles the CLI from the sources of all packages, so that its tests need no build; returns the path of the script. */
export const buildCli = async (): Promise<string> => {
  const outDir = join(APP, "node_modules", ".cache", `kvtuner-cli-${process.pid}`);
  mkdirSync(outDir, { recursive: true });
  await build({
    config: false,
    entry: { cli: join(APP, "src/cli.ts") },
    outDir,
    format: "esm",
    outExtension: () => ({ js: ".js" }),
    platform: "node",
    target: "node20",
    silent: true,
    splitting: true,
    external: [/^onnxruntime/, /^vega/],
    noExternal: [/^(?!onnxruntime|vega|node:)/],
    tsconfig: join(APP, "tsconfig.json"),
    banner: {
      js: 'import { createRequire as requireOf } from "node:module"; const require = requireOf(import.meta.url);',
    },
    esbuildOptions: (options) => {
      options.conditions = ["@kvtuner/source", "module", "node"];
    },
  });
  return join(outDir, "cli.js");
};

/** What a process left behind. */
export interface Finished {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command under way. */
export interface Running {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
}

/** Starts a script with Node; where input is null, stdin stays open. */
export const start = (
  script: string,
  argv: readonly string[],
  environment: Record<string, string> = {},
  input: string | null = "",
): Running => {
  const child = spawn(process.execPath, [script, ...argv], { env: { ...process.env, ...environment } });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (output.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (output.stderr += text));
  child.stdin.on("error", () => undefined);
  if (input !== null) child.stdin.end(input);
  const finished = once(child, "close").then(([code, signal]): Finished => ({ code, signal, ...output }));
  return { process: child, finished };
};
