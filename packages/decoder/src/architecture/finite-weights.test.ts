import { InferenceSession } from "onnxruntime-node";
import { expect, test } from "vitest";
import { loadDecoder } from "../load-decoder.ts";
import { randomWeights, type SmallModel } from "../test-support/random-weights.ts";
import { finiteWeights } from "./finite-weights.ts";
import type { WeightSource } from "./weights.ts";

const small: SmallModel = {
  architecture: "llama",
  layers: 2,
  hiddenSize: 16,
  feedForwardSize: 24,
  queryHeads: 2,
  kvHeads: 1,
  headSize: 8,
  vocabulary: 11,
  tied: true,
};

const createSession = (model: Uint8Array): Promise<InferenceSession> => InferenceSession.create(model);

const spoiled = (source: WeightSource, tensor: string, number: number): WeightSource => {
  const spoil = (name: string, numbers: Float32Array): Float32Array =>
    name === tensor ? numbers.with(numbers.length - 1, number) : numbers;
  return {
    ...source,
    readTensor: async (name) => spoil(name, await source.readTensor(name)),
    readTensorRows: async (name, rows) => spoil(name, await source.readTensorRows(name, rows)),
  };
};

const rejection = (tensor: string): object => ({
  code: "MODEL_NOT_FINITE",
  message: expect.stringContaining(`in tensor ${tensor}`) as unknown,
});

test.each([
  ["output_norm.weight", Number.NaN],
  ["token_embd.weight", Number.NEGATIVE_INFINITY],
  ["blk.0.attn_q.weight", Number.POSITIVE_INFINITY],
])("a model with %s of %d is rejected while it loads", async (tensor, number) => {
  const source = spoiled(randomWeights(small, 3), tensor, number);
  await expect(loadDecoder(source, { createSession })).rejects.toMatchObject(rejection(tensor));
});

test("scales and offsets of blocks are checked, and sound ones come through", async () => {
  const codes = Int8Array.of(1, -2);
  const source = randomWeights(small, 3);
  const read = (scale: number, offset?: number): ReturnType<NonNullable<WeightSource["readTensorBlocks"]>> => {
    const offsets = offset === undefined ? {} : { offsets: Float32Array.of(offset) };
    const blocks = { blockSize: 2, bits: 8 as const, codes, scales: Float32Array.of(scale), ...offsets };
    return finiteWeights({ ...source, readTensorBlocks: async () => blocks }).readTensorBlocks!("a");
  };
  await expect(read(Number.NaN)).rejects.toMatchObject(rejection("a"));
  await expect(read(1, Infinity)).rejects.toMatchObject(rejection("a"));
  await expect(read(1e30, -1e30)).resolves.toMatchObject({ codes });
  const rows = await finiteWeights(source).readTensorRows("token_embd.weight", [2, 0]);
  expect(rows).toEqual(await source.readTensorRows("token_embd.weight", [2, 0]));
});
