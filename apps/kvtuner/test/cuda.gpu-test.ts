import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Backend } from "@kvtuner/backend";
import { createCudaBackend } from "@kvtuner/backend-cuda";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  compileDriver,
  driverFolder,
  noCompiler,
} from "../../../packages/backend-cuda/src/test-support/compile-driver.ts";
import { start, type Finished } from "./built-cli.ts";
import { FLOAT32_CASES, logitsError, textsBesideReference } from "./embedded-agreement.ts";
import { writeTinyModel } from "./tiny-model.ts";

const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const loader = new URL("../../../tools/typescript-loader.mjs", import.meta.url).href;

const reason = noCompiler();

describe.skipIf(reason)(`the embedded model on CUDA, on the CPU${reason ? ` (${reason})` : ""}`, () => {
  const open = (tensorCores: boolean): Promise<Backend> =>
    createCudaBackend({ driver: compileDriver(), kernels: "ptx", tensorCores });

  test.each([...FLOAT32_CASES, ["tensor cores", "kivi:K4V2+sinks4", 1e-2]] as const)(
    "kernels in %s give the logits of %s",
    async (arithmetic, plan, tolerance) => {
      const backend = await open(arithmetic === "tensor cores");
      expect(await logitsError(backend, plan)).toBeLessThan(tolerance);
      await backend.dispose();
    },
  );

  test("goes on with the reference's text for 200 tokens and more", async () => {
    const backend = await open(false);
    const { expected, got, tokens } = await textsBesideReference(backend);
    expect(got).toEqual(expected);
    expect(tokens).toBeGreaterThan(200);
    await backend.dispose();
  });
});

/** The command line from its sources, in a process that finds a driver on the CPU where others have NVIDIA's. */
describe.skipIf(reason)(`--backend cuda on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let folder: string;
  const kvtuner = (argv: readonly string[], libraries = driverFolder()): Promise<Finished> => {
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
    const text = ["--text", join(folder, "text.txt"), "--samples", "2", "--sample-length", "32", "--context", "256"];
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
