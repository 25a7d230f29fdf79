import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { compileDriver, noCompiler } from "../../../packages/backend-cuda/src/test-support/compile-driver.ts";
import { start, type Finished } from "./built-cli.ts";
import { writeTinyModel } from "./tiny-model.ts";

const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

const reason = noCompiler();

/** The command line from its sources, in a process that finds a driver on the CPU where others have NVIDIA's. */
describe.skipIf(reason)(`--backend cuda on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let folder: string;
  const kvtuner = (argv: readonly string[], libraries = folder): Promise<Finished> => {
    const environment = {
      KVTUNER_HOME: folder,
      KVTUNER_CUDA_KERNELS: "ptx",
      LD_LIBRARY_PATH: libraries,
      NODE_OPTIONS: `--conditions=@kvtuner/source --import ${loader}`,
    };
    return start(cli, [...argv, "--backend", "cuda", "--json", "--quiet"], environment).finished;
  };
  const model = (): string => join(folder, "tiny.gguf");

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "kvtuner-cuda-"));
    symlinkSync(compileDriver(), join(folder, "libcuda.so.1"));
    writeTinyModel(model());
    writeFileSync(join(folder, "text.txt"), "The quick brown fox jumps over the lazy dog. ".repeat(20));
  }, 120_000);
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test("bench times a plan on it", async () => {
    const sizes = ["--context", "33", "--rounds", "1", "--tokens", "2"];
    const { code, stdout, stderr } = await kvtuner(["bench", model(), "--plan", "kivi:K4V4", ...sizes]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { backend, contexts } = JSON.parse(stdout);
    expect(backend).toBe("cuda");
    expect(contexts[0].variants[0]).toMatchObject({ name: "kivi:K4V4", kind: "plan", decode: { samples: 2 } });
  });

  test("tune --verify has the picked plan's KL from it", async () => {
    const text = ["--text", join(folder, "text.txt"), "--windows", "2", "--window-length", "32", "--context", "256"];
    const search = ["--mode", "per-token", "--pairs", "K8V8,K4V4,K2V2", "--evaluations", "3"];
    const argv = ["tune", model(), "--out", join(folder, "study"), ...text, ...search, "--verify"];
    const { code, stdout, stderr } = await kvtuner(argv);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const { picked, verified } = JSON.parse(stdout);
    expect(verified).toMatchObject({ backend: "cuda", evaluatedKl: picked.kl, agrees: true, tokens: 64 });
  });

  test("without a driver is refused with what is missing", async () => {
    const { code, stderr } = await kvtuner(["bench", model(), "--plan", "kivi:K4V4", "--context", "33"], "/nowhere");
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error \[CUDA_DRIVER_MISSING\]: .*install driver 580/m);
  });
});
