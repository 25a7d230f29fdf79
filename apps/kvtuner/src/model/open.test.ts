import { mkdtempSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { attentionOf } from "@kvtuner/plan";
import { describe, expect, test } from "vitest";
import { writeTinyModel } from "../../test/tiny-model.ts";
import { openModel } from "./open.ts";

/** Of the tiny model. */
const TRAINED_TOKENS = 512;

const run = { progress: () => undefined, warn: () => undefined };

const newModel = (): string => {
  const path = join(mkdtempSync(join(tmpdir(), "kvtuner-open-")), "tiny.gguf");
  writeTinyModel(path);
  return path;
};

const isOpen = (path: string): boolean =>
  readdirSync("/proc/self/fd").some((descriptor) => {
    try {
      return readlinkSync(join("/proc/self/fd", descriptor)) === path;
    } catch {
      return false;
    }
  });

describe("openModel", () => {
  test.skipIf(process.platform !== "linux")("closes the file when its tokenizer cannot be read", async () => {
    const path = newModel();
    const model = await openModel(path, run);
    expect(isOpen(path)).toBe(true);
    await model.dispose();
    const bytes = readFileSync(path);
    bytes.write("x", bytes.indexOf("tokenizer.ggml.tokens"));
    writeFileSync(path, bytes);
    await expect(openModel(path, run)).rejects.toThrow("tokenizer");
    expect(isOpen(path)).toBe(false);
  });

  test("loads the weights again after a load that failed", async () => {
    let failures = 0;
    const progress = (): void => {
      if (failures++ === 0) throw new Error("no memory");
    };
    const model = await openModel(newModel(), { ...run, progress });
    const layers: number[] = [];
    const trace = async (): Promise<void> => model.trace(Int32Array.of(1, 2), (layer) => void layers.push(layer));
    await expect(trace()).rejects.toThrow("no memory");
    await trace();
    expect(layers[0]).toBe(0);
    await model.dispose();
  });

  test("counts the memory of gradients, and refuses what does not fit before the first pass", async () => {
    const path = newModel();
    const gradients = { samples: 2, sampleLength: 512 };
    await (await openModel(path, run, { gradients })).dispose();
    const tooLong = { gradients: { ...gradients, sampleLength: 2 ** 34 } };
    await expect(openModel(path, run, tooLong)).rejects.toMatchObject({
      code: "WORK_MEMORY",
      message: expect.stringMatching(
        /^expected at least [\d.,]+ \wB of memory for the gradients of 2 samples of 17179869184 tokens, got .*--measure kl/,
      ),
    });
    await (await openModel(path, run, { gradients: async () => undefined })).dispose();
  });

  test("has each layer's attention, because caches must attend as the decoder does", async () => {
    const path = newModel();
    writeTinyModel(path, {
      "llama.attention.sliding_window": 16,
      "llama.attention.sliding_window_pattern": [1, 0, 1],
      "llama.attn_logit_softcapping": 2,
    });
    const model = await openModel(path, run);
    const kinds = [0, 1, 2].map((layer) => attentionOf(model.shape, layer).mask.kind);
    expect(kinds).toEqual(["sliding", "causal", "sliding"]);
    expect(attentionOf(model.shape, 1).softcap).toBe(2);
    await model.dispose();
  });

  test("warns once about samples longer than the model was trained on", async () => {
    const warnings: string[] = [];
    const model = await openModel(newModel(), { ...run, warn: (message) => void warnings.push(message) });
    const sample = (length: number): Int32Array => new Int32Array(length).fill(5);
    await model.evaluator([sample(TRAINED_TOKENS)]);
    expect(warnings).toEqual([]);
    await model.evaluator([sample(TRAINED_TOKENS + 1)]);
    await model.evaluator([sample(TRAINED_TOKENS + 1)]);
    expect(warnings).toEqual([expect.stringContaining(`trained on ${TRAINED_TOKENS} tokens`)]);
    await model.dispose();
  });
});
