import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { randomBlocks } from "../gguf/test-support/random-blocks.ts";
import { loadDecoder } from "../load-decoder.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { summaryCotangent } from "../test-support/gradient-summary.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import type { WeightStorage } from "../weight-storage.ts";
import { backward } from "./backward.ts";

const createSession = oneThreadSession;

/** Gradients of the attention output, of all layers. */
const gradients = async (family: string, typeId: number, weights: WeightStorage): Promise<Float32Array[]> => {
  const model = familyModel(family);
  const random = xoroshiro128plus(typeId);
  const file = familyGguf(model, (name, size) =>
    /ffn_(gate|up)|attn_(v|output|qkv|gate)\.|ssm_(out|alpha)/.test(name)
      ? { typeId, data: randomBlocks(typeId, size, 0.3, () => uniformFloat32(random)) }
      : undefined,
  );
  const decoder = await loadDecoder(await openGguf(bufferSource(file)), { createSession, weights });
  const cotangents = summaryCotangent(model.ids.length, decoder.vocabularySize);
  const found: Float32Array[] = [];
  for await (const { output } of backward({
    decoder,
    createSession,
    texts: [model.ids],
    samples: 1,
    cotangent: ({ cotangent }) => cotangent.set(cotangents),
  }))
    found.push(output);
  await decoder.dispose();
  expect(found).toHaveLength(decoder.shape.layers);
  return found;
};

// 4-bit codes, without and with offsets. The last arithmetic rounds activations of the forward pass to 8 bits.
test.each([
  ["llama", 2, "stored", 1e-5],
  ["llama", 3, "stored", 1e-5],
  ["llama", 8, "stored-int8", 0.1],
  ["qwen35.wide", 2, "stored", 1e-4],
] as const)(
  "gradients of matrices of %s as stored, in type %i kept as %s, are those of dequantized ones",
  async (family, type, weights, limit) => {
    const stored = await gradients(family, type, weights);
    for (const [index, expected] of (await gradients(family, type, "float32")).entries()) {
      const errors = expected.map((x, place) => Math.abs(x - stored[index]![place]!));
      expect(Math.max(...errors) / Math.max(...expected.map(Math.abs))).toBeLessThan(limit);
    }
  },
);
