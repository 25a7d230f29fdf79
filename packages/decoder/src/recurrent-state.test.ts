import { fc, test as lawTest } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { FloatAttention } from "./attention/float-attention.ts";
import type { Decoder } from "./decoder.ts";
import { forward } from "./forward.ts";
import { batchLogits } from "./generation/batch-logits.ts";
import { CacheSession } from "./generation/cache-session.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { loadDecoder } from "./load-decoder.ts";
import type { RecurrentState } from "./recurrent-state.ts";
import { familyGguf, familyModel } from "./test-support/family-model.ts";
import { oneThreadSession } from "./test-support/one-thread-session.ts";

const decoder: Decoder = await loadDecoder(await openGguf(bufferSource(familyGguf(familyModel("lfm2")))), {
  createSession: oneThreadSession,
});

const newCache = (): FloatAttention => new FloatAttention(decoder.shape, decoder.attention);

/** Logits after the last token, in one piece. */
const freshLogits = async (ids: readonly number[]): Promise<Float32Array> =>
  decoder.lastLogits(await forward(decoder, ids, [...ids.keys()], newCache()));

const largestDifference = (one: Float32Array, other: Float32Array): number =>
  Math.max(...one.map((logit, index) => Math.abs(logit - other[index]!)));

const prompt = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 9 });

lawTest.prop([fc.array(prompt, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 4 })], { numRuns: 20 })(
  "a session with recurrent layers gives the logits of a new one, however its prompts differ",
  async (prompts, chunkTokens) => {
    const session = new CacheSession({ decoder, cache: newCache(), chunkTokens });
    for (const ids of prompts) {
      const logits = await session.prompt(Int32Array.from(ids));
      expect(largestDifference(logits, await freshLogits(ids))).toBeLessThan(1e-4);
      expect(session.ids).toEqual(ids);
    }
  },
);

test("a prompt that continues the last one feeds only what is new", async () => {
  const session = new CacheSession({ decoder, cache: newCache() });
  await session.prompt(Int32Array.of(1, 2, 3));
  const fed: number[] = [];
  await session.prompt(Int32Array.of(1, 2, 3, 4, 5), { onProgress: (_, total) => void fed.push(total) });
  expect(fed).toEqual([2]);
});

test("a prompt that differs feeds from the start of one of the last two pieces before", async () => {
  const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
  for (const [differing, expected] of [
    [13, 2],
    [9, 6],
    [7, 14],
  ] as const) {
    const session = new CacheSession({ decoder, cache: newCache(), chunkTokens: 4 });
    await session.prompt(Int32Array.from(ids));
    const fed: number[] = [];
    const other = Int32Array.from(ids.with(differing, 20));
    const logits = await session.prompt(other, { onProgress: (_, total) => void fed.push(total) });
    expect(fed[0]).toBe(expected);
    expect(largestDifference(logits, await freshLogits([...other]))).toBeLessThan(1e-4);
  }
});

test("sequences of a batch keep their own states", async () => {
  const prompts = [
    [5, 4, 3, 2],
    [7, 8],
  ];
  const sequences: { cache: FloatAttention; state: RecurrentState; id: number }[] = [];
  for (const ids of prompts) {
    const [cache, state] = [newCache(), decoder.createState()];
    await forward(decoder, ids, [...ids.keys()], cache, 1, [state]);
    sequences.push({ cache, state, id: 9 });
  }
  for (let step = 1; step <= 3; step++) {
    const logits = await batchLogits(decoder, sequences);
    for (const [index, ids] of prompts.entries()) {
      const expected = await freshLogits([...ids, ...Array.from({ length: step }, () => 9)]);
      expect(largestDifference(logits[index]!, expected)).toBeLessThan(1e-4);
    }
  }
});

test("a state of other tokens is refused, and a pass that fails leaves it as it was", async () => {
  const [cache, state] = [newCache(), decoder.createState()];
  await forward(decoder, [1, 2], [0, 1], cache, 1, [state]);
  await expect(forward(decoder, [3], [2], cache)).rejects.toMatchObject({ code: "MODEL_STATE" });
  await expect(forward(decoder, [3], [3], cache, 1, [state])).rejects.toMatchObject({ code: "MODEL_STATE" });
  const broken = { attend: () => Promise.reject(new Error("out of memory")) };
  await expect(forward(decoder, [4], [2], broken, 1, [state])).rejects.toThrow("out of memory");
  const logits = await decoder.lastLogits(await forward(decoder, [3], [2], cache, 1, [state]));
  expect(largestDifference(logits, await freshLogits([1, 2, 3]))).toBeLessThan(1e-4);
  expect(() => new CacheSession({ decoder, cache, ids: [1, 2, 3] })).toThrow(/a state of 0/);
  expect(new CacheSession({ decoder, cache, ids: [1, 2, 3], state }).ids).toEqual([1, 2, 3]);
});
