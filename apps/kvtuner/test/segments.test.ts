import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "@kvtuner/tuning";
import { afterEach, describe, expect, test, vi } from "vitest";
import { tinyModel } from "../../../packages/decoder/src/gguf/test-support/tiny-model.ts";
import { folderBytes } from "../src/model/segment-cache.ts";
import { openRunner } from "../src/run/runner.ts";

describe("a model above the size of those built in memory", () => {
  afterEach(() => vi.unstubAllEnvs());

  test("says what it writes before it does, once; a damaged file is written again; few open segments change no text", async () => {
    const home = mkdtempSync(join(tmpdir(), "kvtuner-segments-"));
    vi.stubEnv("KVTUNER_HOME", home);
    const path = join(home, "model.gguf");
    const sizes = { layers: 2, hiddenSize: 64, heads: 2, kvHeads: 1, feedForward: 96, vocabulary: 130_000 };
    writeFileSync(path, tinyModel({ architecture: "llama", ...sizes, seed: 7, tied: true }));
    const folder = join(home, "segments");
    const generated = async (
      options: { readonly memory?: number } = {},
    ): Promise<{ text: string; notes: string[] }> => {
      const notes: string[] = [];
      const onProgress = ({ step, done, note }: Progress): void => {
        if (step === "load" && done === 0) notes.push(`${note}${existsSync(folder) ? "" : "; nothing yet"}`);
      };
      const runner = await openRunner({
        model: path,
        plan: "none",
        backend: "cpu-reference",
        weights: "exact",
        onProgress,
        ...options,
      });
      const { text } = await runner.generate({ prompt: "the", maxTokens: 3 });
      await runner.dispose();
      return { text, notes };
    };
    const first = await generated();
    expect(first.notes).toEqual([
      expect.stringMatching(/of memory; writes 33\.\d MB to .*segments.* once; nothing yet/),
    ]);
    const [segments] = readdirSync(folder);
    rmSync(join(folder, segments!, "segment-1", "weights.bin"));
    const second = await generated();
    expect(second.notes).toEqual([expect.not.stringContaining("writes")]);
    expect([second.text, folderBytes(folder)]).toEqual([first.text, expect.any(Number)]);
    expect(existsSync(join(folder, segments!, "segment-1", "weights.bin"))).toBe(true);
    expect((await generated({ memory: 1e9 })).text).toBe(first.text);
  });
});
