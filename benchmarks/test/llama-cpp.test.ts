import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { tinyModel } from "../../packages/decoder/src/gguf/test-support/tiny-model.ts";
import { installFakeNodeLlamaCpp } from "./fake-node-llama-cpp.ts";

const ROOT = join(import.meta.dirname, "../..");
const SOURCES = ["--conditions=@kvtuner/source", "--import", join(ROOT, "tools/typescript-loader.mjs")];
const SMALL = ["--context", "70,33", "--rounds", "2", "--tokens", "3", "--backend", "cpu-reference", "--no-float"];

const folder = mkdtempSync(join(tmpdir(), "kvtuner-peer-"));
const model = join(folder, "tiny.gguf");
const sizes = { layers: 3, hiddenSize: 64, heads: 2, kvHeads: 1, headSize: 32, feedForward: 96, vocabulary: 260 };
writeFileSync(model, tinyModel({ architecture: "llama", ...sizes, seed: 7, tied: true }));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const bench = (...argv: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [...SOURCES, join(ROOT, "benchmarks/llama-cpp.mjs"), model, ...SMALL, ...argv], {
    encoding: "utf8",
    env: { ...process.env, KVTUNER_HOME: folder },
  });

describe("benchmarks/llama-cpp.mjs", () => {
  test("says how to install llama.cpp before it loads the model", () => {
    const { status, stdout, stderr } = bench();
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(/^error \[PEER_MISSING\]: .*npm install --prefix \S+peers .*node-llama-cpp@3/);
  });

  test("rejects cache types that llama.cpp does not have", () => {
    const { status, stderr } = bench("--peer-types", "f16");
    expect(status).toBe(2);
    expect(stderr).toContain("error [OPTION_INVALID]: expected --peer-types");
  });

  test("runs llama.cpp in its own processes, and skips types that it refuses or crashes on", () => {
    installFakeNodeLlamaCpp(folder);
    for (const fill of ["text", "synthetic"]) {
      const types = ["--peer-types", "f16/f16,q4_0/f16,q5_0/f16,q8_0/q4_0", "--fill", fill];
      const { status, stdout, stderr } = bench("--json", ...types);
      expect({ status, stderr }).toMatchObject({ status: 0 });
      expect(stderr).toContain("warning: llama.cpp does not run q4_0/f16: llama.cpp: no such kernel");
      const { peer, contexts } = JSON.parse(stdout);
      expect(peer).toMatchObject({ version: "0.0.1", release: "fake", agreementTypes: "f16/f16" });
      expect(peer.refused.map(({ types: refused }: { types: string }) => refused)).toEqual(["q4_0/f16", "q5_0/f16"]);
      expect(peer.agreement.difference).toMatchObject({ theirs: { id: 65, text: "A", logitGap: 2 } });
      expect(peer.agreement.difference.ours.logitGap).toBeGreaterThan(0);
      expect(peer.agreement.difference.spread).toBeGreaterThan(0);
      for (const { variants } of contexts) {
        expect(variants.map(({ name }: { name: string }) => name)).toEqual(["none", "f16/f16", "q8_0/q4_0"]);
        const [ours, ...theirs] = variants.map(({ decode }: { decode: { medianMs: number } }) => decode.medianMs);
        expect(variants[0].decode.overFastestPeer).toBeCloseTo(Math.min(...theirs) / ours, 9);
        for (const { prefill } of variants) expect(prefill !== undefined).toBe(fill === "text");
      }
    }
    expect(bench("--context", "33", "--peer-types", "f16/f16", "--fill", "synthetic").stdout).toMatch(
      /^llama\.cpp fake: its greedy text matches ours for \d+ tokens; then [\s\S]*^33 tokens .*x fastest peer/m,
    );
  });
});
