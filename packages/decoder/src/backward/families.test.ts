import { readdirSync } from "node:fs";
import { InferenceSession } from "onnxruntime-node";
import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { familyGguf, familyModel, noise } from "../test-support/family-model.ts";
import { backward, type HoleGradients } from "./backward.ts";

const createSession = (model: Uint8Array): Promise<InferenceSession> => InferenceSession.create(model);

const fixtures = readdirSync(new URL("../fixtures/families", import.meta.url)).map((file) => file.replace(".json", ""));

/** The numbers of a fixture from a gradient. */
const summary = (gradient: Float32Array, name: string, count: number): number[] => {
  const norm = Math.hypot(...gradient);
  const products = Array.from({ length: count - 1 }, (_, index) => {
    const next = noise(`${name}.${index}`);
    return gradient.reduce((sum, x) => sum + x * next(), 0);
  });
  return [norm, ...products];
};

const TENSORS = ["output", "query", "key", "keyBeforeRope", "value"] as const;

const gradientOf = (found: HoleGradients, tensor: (typeof TENSORS)[number]): Float32Array =>
  tensor === "keyBeforeRope" ? found.keyBeforeRope!() : found[tensor]!;

/** TopK and If have no rule, and convolutions none. */
const hasExperts = (name: string): boolean => /moe|mixtral|gpt-oss|lfm2|gemma4.experts|qwen35/.test(name);

test.each(fixtures.filter((name) => !hasExperts(name)))(
  "gradients of %s equal those of PyTorch's autograd",
  async (name) => {
    const model = familyModel(name);
    const decoder = await loadDecoder(await openGguf(bufferSource(familyGguf(model))), {
      createSession,
      ...model.options,
    });
    const next = noise("cotangent");
    const weights = Float32Array.from({ length: model.ids.length * decoder.vocabularySize }, next);
    const options = {
      decoder,
      createSession,
      texts: [model.ids],
      samples: 1,
      cotangent: ({ cotangent }: { cotangent: Float32Array }) => cotangent.set(weights),
    };
    for await (const found of backward(options))
      for (const tensor of TENSORS) {
        const expected = model.gradients[tensor][found.hole]!;
        if (expected === null) continue;
        const actual = summary(gradientOf(found, tensor), `${tensor}.${found.hole}`, expected.length);
        const errors = actual.map((x, index) => Math.abs(x - expected[index]!) / expected[0]!);
        expect(Math.max(...errors), `${tensor} of layer ${found.hole}`).toBeLessThan(1e-4);
      }
    await decoder.dispose();
  },
);
