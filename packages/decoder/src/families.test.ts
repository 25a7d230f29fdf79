import { readdirSync } from "node:fs";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import type { InferenceSession } from "onnxruntime-node";
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { expect, test } from "vitest";
import { FAMILIES } from "./architecture/families.ts";
import { FloatAttention } from "./attention/float-attention.ts";
import type { Decoder } from "./decoder.ts";
import { forward } from "./forward.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { randomBlocks } from "./gguf/test-support/random-blocks.ts";
import { loadDecoder } from "./load-decoder.ts";
import { assertGraphSize } from "./segments/graph-size.ts";
import { familyGguf, familyModel } from "./test-support/family-model.ts";
import { oneThreadSession } from "./test-support/one-thread-session.ts";
import type { WeightStorage } from "./weight-storage.ts";

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
  const state = decoder.createState();
  const pieces: Float32Array[] = [];
  for (const [index, start] of starts.entries()) {
    const piece = ids.slice(start, starts[index + 1] ?? ids.length);
    const positions = piece.map((_, row) => start + row);
    const residual = await forward(decoder, piece, positions, attention, 1, [state]);
    pieces.push((await decoder.head(residual)).data as Float32Array);
  }
  return pieces;
};

/** ONNX wants every node after those whose outputs it reads. ONNX Runtime sorts them; other readers need not. */
const assertOrdered = (model: Uint8Array): void => {
  const { node, input, initializer } = fromBinary(ModelProtoSchema, model).graph!;
  const known = new Set(["", ...[...input, ...initializer].map(({ name }) => name)]);
  for (const one of node) {
    expect(one.input.filter((name) => !known.has(name))).toEqual([]);
    for (const name of one.output) known.add(name);
  }
};

test.each(fixtures)("logits of %s equal those of transformers", async (name) => {
  const model = familyModel(name);
  const decoder = await loadDecoder(await openGguf(bufferSource(familyGguf(model))), {
    createSession: (graph) => {
      assertOrdered(graph);
      return oneThreadSession(graph);
    },
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

/** Logits of the whole fixture, with experts in blocks of a type, and the bytes of all graphs. */
const blockLogits = async (
  name: string,
  typeId: number,
  weights: WeightStorage,
): Promise<{ logits: Float32Array; graphBytes: number }> => {
  const model = familyModel(name);
  const random = xoroshiro128plus(typeId);
  const gguf = familyGguf(model, (tensor, size) =>
    tensor.includes("_exps.weight")
      ? { typeId, data: randomBlocks(typeId, size, 0.3, () => uniformFloat32(random)) }
      : undefined,
  );
  let graphBytes = 0;
  const createSession = (graph: Uint8Array): Promise<InferenceSession> => {
    graphBytes += graph.length;
    return oneThreadSession(graph);
  };
  const decoder = await loadDecoder(await openGguf(bufferSource(gguf)), { createSession, weights });
  const [logits] = await logitsOf(decoder, model.ids, [0]);
  await decoder.dispose();
  return { logits: logits!, graphBytes };
};

test.each([
  ["qwen3moe", 2],
  ["qwen3moe", 3],
  ["gpt-oss", 3],
  ["gemma4.experts", 2],
])("experts of %s as stored, in type %i, give the logits of dequantized ones", async (name, typeId) => {
  const stored = await blockLogits(name, typeId, "stored");
  const float = await blockLogits(name, typeId, "float32");
  const difference = float.logits.map((logit, index) => Math.abs(logit - stored.logits[index]!));
  expect(Math.max(...difference) / Math.max(...float.logits.map(Math.abs))).toBeLessThan(1e-5);
  expect(stored.graphBytes).toBeLessThan(0.7 * float.graphBytes);
});

test("a segment in memory beyond the limit of Protocol Buffers is rejected before its experts are read", () => {
  const sized = (sizeBytes: number): (() => void) => {
    const read = async (): Promise<never> => Promise.reject(new Error("not read"));
    const constant = { dims: [sizeBytes / 8, 4], type: "uint8", read } as const;
    return () => assertGraphSize({ constants: ["a", "b"].map((name) => ({ name, ...constant })) });
  };
  expect(sized(2 ** 31 - 2 ** 20)).not.toThrow();
  expect(sized(2 ** 31)).toThrow(expect.objectContaining({ code: "MODEL_TOO_LARGE" }));
});
