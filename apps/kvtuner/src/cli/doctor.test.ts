import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openGgufFile } from "@kvtuner/decoder/node";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { formatBytes } from "@kvtuner/plan";
import { describe, expect, test } from "vitest";
import type { Finding } from "../doctor/checks.ts";
import { type Machine, thisMachine } from "../doctor/machine.ts";
import { runMemory } from "../model/weights.ts";
import { doctorCommand } from "./doctor.ts";
import { recordingTerminal } from "./test-terminal.ts";

/** As the onnxruntime-genai model builder writes it. */
const EXPORT = fileURLToPath(new URL("../../../../packages/decoder/src/fixtures/exported-llama", import.meta.url));

const adapter = {
  name: "Example GPU",
  isSoftware: false,
  hasFloat16: true,
  hasSubgroups: false,
  maxBindingBytes: 128e6,
};

const gpu = { name: "Example 90", architecture: "sm_90", memoryBytes: 80e9, kernels: "nvrtc" } as const;

const SIGNAL = new AbortController().signal;

const healthy: Machine = {
  nodeVersion: () => "24.1.0",
  system: () => ({ platform: "linux", release: "6.1", architecture: "x64", processor: "Example 1", cores: 4 }),
  memory: () => ({ totalBytes: 16e9, availableBytes: 9e9 }),
  wasm: async () => ({ simd: true, relaxedSimd: true, kernels: "dot-products", threads: true }),
  onnxRuntime: async () => ({ version: "1.2.3", providers: ["cpu"] }),
  webGpu: async () => ({ hasBackend: true, source: "webgpu", adapter }),
  cuda: async () => ({ hasBackend: true, driverPath: "/usr/lib64/libcuda.so.1", device: gpu }),
  modelCache: () => ({ folder: "/models", models: [{ name: "smollm2.gguf", sizeBytes: 98e6 }] }),
  segmentCache: async () => ({ folder: "/segments", sizeBytes: 112e6 }),
};

interface Examined {
  readonly findings: readonly Finding[];
  readonly error: unknown;
}

const examine = async (probes: Partial<Machine>): Promise<Examined> => {
  const terminal = recordingTerminal();
  const error = await doctorCommand(terminal, SIGNAL, { ...healthy, ...probes })
    .parseAsync(["--json"], { from: "user" })
    .then(
      () => undefined,
      (reason: unknown) => reason,
    );
  return { findings: JSON.parse(terminal.written.out).findings as Finding[], error };
};

const fails = (message: string) => (): never => {
  throw new Error(`${message}\nand a second line`);
};

describe("doctor", () => {
  test("prints findings with their meaning, and advice only if needed", async () => {
    const { findings, error } = await examine({});
    expect(error).toBeUndefined();
    expect(findings.map(({ name, found }) => [name, found])).toEqual([
      ["node", "24.1.0"],
      ["system", "linux 6.1 x64, Example 1, 4 cores"],
      ["memory", "9.00 GB available of 16.0 GB"],
      ["wasm-simd", "yes, dot-products kernels"],
      ["wasm-relaxed-simd", "yes"],
      ["wasm-threads", "yes"],
      ["onnxruntime", "onnxruntime-node 1.2.3 (cpu)"],
      ["webgpu", "Example GPU, by webgpu: 16-bit floats, no subgroups, buffers to 128 MB"],
      ["cuda", "Example 90, sm_90, 80.0 GB, kernels compiled here by NVRTC"],
      ["models", "smollm2.gguf (98.0 MB) in /models"],
      ["segments", "112 MB in /segments"],
    ]);
    for (const { status, message, remedy } of findings) {
      expect([status, remedy]).toEqual(["ok", undefined]);
      expect(message).not.toBe("");
    }
  });

  test.for<[string, Finding["status"], RegExp, Partial<Machine>]>([
    ["node", "problem", /^20\.18\.3$/, { nodeVersion: () => "20.18.3" }],
    ["node", "problem", /^18/, { nodeVersion: () => "18.20.0" }],
    ["memory", "problem", /^1\.00 GB available/, { memory: () => ({ totalBytes: 16e9, availableBytes: 1e9 }) }],
    ["wasm-simd", "problem", /^no$/, { wasm: async () => ({ simd: false, relaxedSimd: false, threads: false }) }],
    ["wasm-relaxed-simd", "absent", /^no$/, { wasm: async () => ({ simd: true, relaxedSimd: false, threads: true }) }],
    ["wasm-threads", "absent", /^no$/, { wasm: async () => ({ simd: true, relaxedSimd: true, threads: false }) }],
    ["wasm-simd", "problem", /^no WebAssembly$/, { wasm: async () => fails("no WebAssembly")() }],
    ["onnxruntime", "problem", /^libc is too old$/, { onnxRuntime: async () => fails("libc is too old")() }],
    ["webgpu", "absent", /neither/, { webGpu: async () => ({ hasBackend: true }) }],
    [
      "webgpu",
      "absent",
      /^navigator\.gpu, but no adapter/,
      { webGpu: async () => ({ hasBackend: true, source: "navigator.gpu" }) },
    ],
    ["webgpu", "absent", /^Example GPU/, { webGpu: async () => ({ hasBackend: false, source: "webgpu", adapter }) }],
    ["webgpu", "absent", /^Dawn does not load$/, { webGpu: async () => fails("Dawn does not load")() }],
    ["cuda", "absent", /no driver/, { cuda: async () => ({ hasBackend: true }) }],
    ["cuda", "absent", /libcuda/, { cuda: async () => ({ hasBackend: false, driverPath: "/usr/lib64/libcuda.so.1" }) }],
    ["cuda", "absent", /^the driver is too old$/, { cuda: async () => fails("the driver is too old")() }],
    ["models", "absent", /^none in \/models$/, { modelCache: () => ({ folder: "/models" }) }],
    ["models", "absent", /^none in \/models$/, { modelCache: () => ({ folder: "/models", models: [] }) }],
    ["models", "problem", /^EACCES$/, { modelCache: fails("EACCES") }],
    ["segments", "absent", /^EACCES$/, { segmentCache: fails("EACCES") }],
    ["system", "absent", /^no system$/, { system: fails("no system") }],
  ])("%s: %s, and what to do", async ([name, status, found, probes]) => {
    const { findings, error } = await examine(probes);
    const finding = findings.find((each) => each.name === name);
    expect(finding).toMatchObject({ status, found: expect.stringMatching(found), remedy: expect.any(String) });
    expect(findings).toHaveLength(11);
    const problem = { code: "DOCTOR_PROBLEM", message: expect.stringContaining(name) };
    expect([error]).toMatchObject(status === "problem" ? [problem] : [undefined]);
  });

  test("prints one finding per line for people", async () => {
    const terminal = recordingTerminal();
    const probes = { ...healthy, cuda: async () => ({ hasBackend: false }) };
    await doctorCommand(terminal, SIGNAL, probes).parseAsync([], { from: "user" });
    expect(terminal.written.out).toMatch(/^ok {6}node {15}24\.1\.0\n {8}KVTuner needs 20\.19 or newer\n/);
    expect(terminal.written.out).toMatch(/^absent {2}cuda .*no driver library\n {8}optional;.*\n {8}-> .*NVIDIA/m);
  });

  test("checks a model in place of the machine", async () => {
    const terminal = recordingTerminal();
    await doctorCommand(terminal, SIGNAL, healthy).parseAsync(["embedded", "--json"], { from: "user" });
    const { findings } = JSON.parse(terminal.written.out) as { findings: Finding[] };
    expect(findings.map(({ name, status }) => `${name} ${status}`)).toEqual(
      ["architecture", "tensor-types", "tokenizer", "weights", "cache", "keys"].map((name) => `${name} ok`),
    );
  });

  test("a file that cannot be opened is a problem of the model", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvtuner-doctor-"));
    const path = join(folder, "cut.gguf");
    writeFileSync(path, readFileSync(embeddedModelUrl).subarray(0, 20_000));
    const terminal = recordingTerminal();
    await expect(doctorCommand(terminal, SIGNAL, healthy).parseAsync([path], { from: "user" })).rejects.toMatchObject({
      code: "DOCTOR_PROBLEM",
      message: expect.stringMatching(/^expected a model that works with KVTuner, got a problem \(file: /),
    });
    expect(terminal.written.out).toMatch(
      /^PROBLEM file {2}.*expected .*\n {8}the model cannot .*GGUF_.*\n {8}-> download/,
    );
    rmSync(folder, { recursive: true });
  });

  test("checks a directory with an ONNX model, and names a file that it lacks", async () => {
    const folder = mkdtempSync(join(tmpdir(), "kvtuner-doctor-"));
    cpSync(EXPORT, folder, { recursive: true });
    const terminal = recordingTerminal();
    await doctorCommand(terminal, SIGNAL, healthy).parseAsync([folder, "--json"], { from: "user" });
    const { findings } = JSON.parse(terminal.written.out) as { findings: Finding[] };
    expect(findings.map(({ name, status }) => `${name} ${status}`)).toEqual(
      ["architecture", "tokenizer", "weights", "cache", "keys"].map((name) => `${name} ok`),
    );
    expect(findings[0]).toMatchObject({ found: "llama, 2 layers", message: expect.stringContaining("tokens") });

    rmSync(join(folder, "model.onnx.data"));
    await expect(
      doctorCommand(recordingTerminal(), SIGNAL, healthy).parseAsync([folder], { from: "user" }),
    ).rejects.toMatchObject({
      code: "DOCTOR_PROBLEM",
      message: expect.stringContaining("(file: expected model.onnx.data in "),
    });
    rmSync(folder, { recursive: true });
  });

  test("decides by the memory that a run decides by", async () => {
    const { gguf, close } = await openGgufFile(fileURLToPath(embeddedModelUrl));
    const { peakBytes, anonymousBytes } = runMemory(gguf, "compact");
    await close();
    const weightsWith = async (availableBytes: number): Promise<Finding | undefined> => {
      const terminal = recordingTerminal();
      const machine = { ...healthy, memory: () => ({ totalBytes: 16e9, availableBytes }) };
      await doctorCommand(terminal, SIGNAL, machine)
        .parseAsync(["embedded", "--json"], { from: "user" })
        .catch(() => undefined);
      const { findings } = JSON.parse(terminal.written.out) as { findings: Finding[] };
      return findings.find(({ name }) => name === "weights");
    };
    // A run drops mapped pages, so that it needs less than its peak.
    expect(await weightsWith(Math.ceil(0.85 * anonymousBytes))).toMatchObject({
      status: "ok",
      found: `${formatBytes(peakBytes)} with compact weights`,
    });
    expect(await weightsWith(1e6)).toMatchObject({
      status: "problem",
      message: expect.stringContaining("MODEL_MEMORY"),
      remedy: expect.stringContaining("close other programs"),
    });
  });

  test("its probes run on this machine", async () => {
    const probes = thisMachine();
    expect(probes.nodeVersion()).toBe(process.versions.node);
    expect(probes.system().cores).toBeGreaterThan(0);
    const { totalBytes, availableBytes } = probes.memory();
    expect(availableBytes).toBeGreaterThan(0);
    expect(availableBytes).toBeLessThanOrEqual(totalBytes);
    expect(await probes.wasm()).toMatchObject({
      simd: true,
      kernels: expect.stringMatching(/^(baseline|relaxed|dot-products)$/),
      threads: true,
    });
    expect(await probes.onnxRuntime()).toMatchObject({
      version: expect.stringMatching(/^1\.\d+/),
      providers: expect.arrayContaining(["cpu"]),
    });
  });
});
