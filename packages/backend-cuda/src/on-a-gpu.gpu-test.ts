import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkConformance } from "../bench/gpu-conformance.mjs";
import { driverFolder, noCompiler } from "./test-support/compile-driver.ts";

const script = fileURLToPath(new URL("../bench/on-a-gpu.mjs", import.meta.url));
const SMALL = ["--length", "200", "--batch", "1", "--calls", "1", "--tests", "declares what it can store|keeps sinks"];

/** A line of the decoding benchmark. */
interface Result {
  readonly plan: string;
  readonly tensorCores: boolean;
  readonly error?: string;
  readonly isHostAhead: boolean;
  readonly kernelsMs: number;
  readonly hostMs: number;
}

const reason = noCompiler();

/** What a user with a GPU would run, at tiny sizes, with the CPU driver where the system looks for the real one. */
describe.skipIf(reason)(`bench/on-a-gpu.mjs on the CPU${reason ? ` (${reason})` : ""}`, () => {
  let folder: string;
  const environment = (libraries: string): NodeJS.ProcessEnv => {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST"));
    return { ...Object.fromEntries(own), LD_LIBRARY_PATH: libraries, KVTUNER_CUDA_KERNELS: "ptx" };
  };
  const run = (libraries: string): Promise<{ stdout: string }> =>
    promisify(execFile)(process.execPath, [script, "--out", folder, ...SMALL], { env: environment(libraries) });
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "kvtuner-gpu-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test("checks conformance with float32 and on tensor cores, and writes what decoding takes", async () => {
    const { stdout } = await run(driverFolder());
    const report = JSON.parse(readFileSync(join(folder, "cuda-on-a-gpu.json"), "utf8")) as {
      conformance: object;
      decode: { results: Result[] };
    };
    expect(report).toMatchObject({
      device: { name: "CPU", kernels: "ptx" },
      bandwidth: 16,
      conformance: { passed: 4, failed: 0 },
      decode: { length: 200, batch: 1 },
    });
    expect(report.decode.results).toHaveLength(11);
    for (const { error, isHostAhead, kernelsMs, hostMs } of report.decode.results) {
      expect([error, isHostAhead]).toEqual([undefined, true]);
      expect(Math.min(kernelsMs, hostMs)).toBeGreaterThan(0);
    }
    expect(stdout).toContain(readFileSync(join(folder, "cuda-on-a-gpu.md"), "utf8").trim());
    expect(stdout).toMatch(
      /^\| `kivi:K4V4` \| tensor cores \| [\d.]+ \| [\d.]+ \| [\d.]+ \| \d+ \| \d+% \| [\d.]+x \| [\d.]+ \|$/m,
    );
  });

  test.each([
    ["without a GPU", "/nowhere", "", /install driver 580/],
    ["of which none has the name asked for", driverFolder, "no such law", /no test ran/],
  ] as const)("does not take laws for kept %s", (_how, libraries, pattern, message) => {
    const where = typeof libraries === "string" ? libraries : libraries();
    const { passed, failed, failures } = checkConformance(environment(where), pattern);
    expect([passed, failed]).toEqual([0, 1]);
    expect(failures[0]!.message).toMatch(message);
  });

  test("without a driver says so", async () => {
    await expect(run("/nowhere")).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/CudaError: cannot load the NVIDIA driver .*; install driver 580/) as string,
    });
  });
});
