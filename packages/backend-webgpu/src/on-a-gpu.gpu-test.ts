import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { testDevice } from "./test-support/node-gpu.ts";

const script = fileURLToPath(new URL("../bench/on-a-gpu.mjs", import.meta.url));
const SMALL = "--length 200 --batch 1 --shape 4/2/64 --rounds 1 --calls 1 --plans kivi:K4V2".split(" ");

/** ONNX Runtime's WebAssembly takes longer to optimize than to run here. */
const UNOPTIMIZED = ["--no-wasm-tier-up", "--no-wasm-dynamic-tiering"];

const { skipped } = await testDevice();

/** What a user with a GPU would run, at tiny sizes. */
describe.skipIf(skipped)(`bench/on-a-gpu.mjs${skipped ? ` (${skipped})` : ""}`, () => {
  let folder: string;
  const run = (tests: string): Promise<{ stdout: string }> => {
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST"));
    const args = [...UNOPTIMIZED, script, "--out", folder, "--tests", tests, ...SMALL];
    return promisify(execFile)(process.execPath, args, { env: Object.fromEntries(own), maxBuffer: 2 ** 26 });
  };
  const report = (): object =>
    JSON.parse(readFileSync(join(folder, "webgpu-on-a-gpu.json"), "utf8")) as { readonly ok: boolean };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "kvtuner-gpu-"));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  test("checks conformance, and writes what decoding and a prompt take", async () => {
    const { stdout } = await run("declares what it can store");
    expect(report()).toMatchObject({ ok: true, conformance: { passed: 1, failed: 0, failures: [] } });
    const markdown = readFileSync(join(folder, "webgpu-on-a-gpu.md"), "utf8");
    expect(stdout).toContain(markdown.trim());
    expect(markdown).toMatch(/^\| onnxruntime, 4 bits \|.*$/m);
    expect(markdown).toMatch(/^\| `kivi:K4V2` \| +[\d.]+ \| +\d+ \|$/m);
  }, 900_000);

  test("fails, and measures nothing, where no test passed", async () => {
    await expect(run("a name that no test has")).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining("Nothing was checked") as string,
    });
    expect(report()).toMatchObject({ ok: false, conformance: { passed: 0 } });
  });
});
