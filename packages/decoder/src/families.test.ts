import { readdirSync } from "node:fs";
import { InferenceSession } from "onnxruntime-node";
import { expect, test } from "vitest";
import { FAMILIES } from "./architecture/families.ts";
import { FloatAttention } from "./attention/float-attention.ts";
import { type Decoder, loadDecoder } from "./decoder.ts";
import { forward } from "./forward.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { familyGguf, familyModel } from "./test-support/family-model.ts";

const fixtures = readdirSync(new URL("fixtures/families", import.meta.url)).map((file) => file.replace(".json", ""));

test("every family has a model to compare with", () => {
  expect(new Set(fixtures.map((name) => name.split(".")[0]))).toEqual(new Set(Object.keys(FAMILIES)));
});

/** Logits of a sequence that is fed in pieces, which start at `starts`. */
const logitsOf = async (
  decoder: Decoder,
  ids: readonly number[],
  starts: readonly number[],
): Promise<Float32Array[]> => {
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const pieces: Float32Array[] = [];
  for (const [index, start] of starts.entries()) {
    const piece = ids.slice(start, starts[index + 1] ?? ids.length);
    const positions = piece.map((_, row) => start + row);
    const residual = await forward(decoder, piece, positions, attention);
    pieces.push((await decoder.head(residual)).data as Float32Array);
  }
  return pieces;
};

test.each(fixtures)("logits of %s equal those of transformers", async (name) => {
  const model = familyModel(name);
  const decoder = await loadDecoder(await openGguf(bufferSource(familyGguf(model))), {
    createSession: (graph) => InferenceSession.create(graph),
    ...model.options,
  });
  const expected = model.logits.flat();
  const largest = Math.max(...expected.map(Math.abs));
  for (const starts of [[0], [0, 7, 8, 20]]) {
    const actual = (await logitsOf(decoder, model.ids, starts)).flatMap((piece) => [...piece]);
    const difference = Math.max(...actual.map((logit, index) => Math.abs(logit - expected[index]!)));
    expect(actual.length).toBe(expected.length);
    expect(difference / largest).toBeLessThan(1e-4);
  }
  await decoder.dispose();
});
