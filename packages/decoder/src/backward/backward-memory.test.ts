import { InferenceSession } from "onnxruntime-node";
import { expect, test } from "vitest";
import { readConfig } from "../architecture/read-config.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { backwardMemory } from "./backward-memory.ts";
import { backward } from "./backward.ts";
import type { StateStore } from "./forward-states.ts";

const createSession = (model: Uint8Array): Promise<InferenceSession> => InferenceSession.create(model);

const SAMPLES = 3;

/** Counts the bytes that it holds. */
const countingStore = (): { readonly store: StateStore; peakBytes(): number } => {
  let [held, peak] = [0, 0];
  const hold: StateStore["hold"] = async (arrays) => {
    const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
    held += bytes;
    peak = Math.max(peak, held);
    return { use: async (work) => work(arrays), release: () => (held -= bytes) };
  };
  return { store: { hold }, peakBytes: () => peak };
};

/** Layers of qwen3 are alike; those of gemma4 have two sizes, and some share a cache; lfm2 and qwen35 have recurrent ones. */
test.each([
  ["qwen3", 1],
  ["gemma4", 0.8],
  ["lfm2", 1],
  ["qwen35", 1],
])("what %s holds is as stated, or at least a share of it: %d", async (name, share) => {
  const model = familyModel(name);
  const gguf = await openGguf(bufferSource(familyGguf(model)));
  const decoder = await loadDecoder(gguf, { createSession, ...model.options });
  const texts = [model.ids, model.ids.toReversed()];
  const { store, peakBytes } = countingStore();
  const largest = { logits: 0 };
  const cotangent = ({ cotangent: own }: { cotangent: Float32Array }): void =>
    void (largest.logits = Math.max(largest.logits, own.byteLength));
  for await (const _ of backward({ decoder, createSession, texts, samples: SAMPLES, cotangent, store }));
  const { shape, vocabularySize } = decoder;
  const work = { texts: texts.length, tokens: model.ids.length, samples: SAMPLES };
  const need = backwardMemory({ config: readConfig(gguf), shape, vocabularySize }, work);
  expect(peakBytes()).toBeLessThanOrEqual(need.heldBytes);
  expect(peakBytes()).toBeGreaterThanOrEqual(share * need.heldBytes);
  expect(need.workingBytes).toBeGreaterThan(largest.logits);
  await decoder.dispose();
});

const sizes = {
  config: { hiddenSize: 896, layerSizes: [{ feedForwardSize: 4864, queryHeads: 14, kvHeads: 2, headSize: 64 }] },
  shape: { layers: 24, queryHeads: 14, kvHeads: 2, headSize: 64 },
  vocabularySize: 151_936,
} as unknown as Parameters<typeof backwardMemory>[0];

test("long texts do not need logits of all tokens, but states", () => {
  const [short, long] = [512, 4096].map((tokens) => backwardMemory(sizes, { texts: 1, tokens, samples: 4 }));
  expect(long!.heldBytes).toBe(8 * short!.heldBytes);
  expect(long!.workingBytes).toBeLessThan(5 * short!.workingBytes);
  expect(long!.mappedBytes).toBe(4 * 151_936 * 896);
});
