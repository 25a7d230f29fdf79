import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import type { Decoder } from "../decoder.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { type FamilyModel, familyGguf, familyModel } from "../test-support/family-model.ts";
import { summaryCotangent, summaryErrors } from "../test-support/gradient-summary.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { backward } from "./backward.ts";

const createSession = oneThreadSession;

const fixtures = readdirSync(new URL("../fixtures/families", import.meta.url)).map((file) => file.replace(".json", ""));

const load = async (model: FamilyModel): Promise<Decoder> =>
  loadDecoder(await openGguf(bufferSource(familyGguf(model))), { createSession, ...model.options });

test.each(fixtures)("gradients of %s equal those of PyTorch's autograd", async (name) => {
  const model = familyModel(name);
  const decoder = await load(model);
  const weights = summaryCotangent(model.ids.length, decoder.vocabularySize);
  const options = {
    decoder,
    createSession,
    texts: [model.ids],
    samples: 1,
    cotangent: ({ cotangent }: { cotangent: Float32Array }) => cotangent.set(weights),
  };
  const holes: number[] = [];
  for await (const found of backward(options)) {
    holes.push(found.hole);
    for (const [tensor, error] of Object.entries(summaryErrors(found, model.gradients)))
      expect(error, `${tensor} of hole ${found.hole}`).toBeLessThan(1e-4);
  }
  expect(holes).toEqual([...model.gradients.output.keys()].toReversed());
  await decoder.dispose();
});
