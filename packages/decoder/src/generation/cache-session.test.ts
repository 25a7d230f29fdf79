import { fc, test as lawTest } from "@fast-check/vitest";
import { type Attention, TruncateError } from "@kvtuner/backend";
import { InferenceSession, Tensor as OrtTensor, type Tensor } from "onnxruntime-node";
import { expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import type { Decoder } from "../decoder.ts";
import { forward } from "../forward.ts";
import { loadDecoder } from "../load-decoder.ts";
import { randomWeights } from "../test-support/random-weights.ts";
import { CacheSession, type SequenceCache } from "./cache-session.ts";
import { generateOn } from "./generate-on.ts";

const sizes = { hiddenSize: 32, feedForwardSize: 48, queryHeads: 4, kvHeads: 2, headSize: 16, vocabulary: 50 };
const weights = randomWeights({ architecture: "llama", layers: 4, ...sizes, tied: true }, 5);
const decoder: Decoder = await loadDecoder(weights, {
  createSession: async (model) =>
    Object.assign(await InferenceSession.create(model), {
      outputTensor: (data: Float32Array, dims: readonly number[]) => new OrtTensor("float32", data, dims),
    }),
});

/** A float cache that counts the tokens it receives. */
class CountingCache extends FloatAttention implements SequenceCache {
  tokens = 0;
  failAtLayer = -1;

  override async attend(...[layer, query, key, value]: Parameters<Attention["attend"]>): Promise<Tensor> {
    if (layer === this.failAtLayer) throw new Error("out of memory");
    if (layer === 0) this.tokens += query.dims[1]!;
    return super.attend(layer, query, key, value);
  }
}

const newSession = (chunkTokens?: number): { cache: CountingCache; session: CacheSession } => {
  const cache = new CountingCache(decoder.shape, decoder.attention);
  return { cache, session: new CacheSession({ decoder, cache, ...(chunkTokens !== undefined && { chunkTokens }) }) };
};

const freshLogits = async (ids: Int32Array): Promise<Float32Array> => {
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const residual = await forward(decoder, ids, [...ids.keys()], attention);
  return ((await decoder.head(residual)).data as Float32Array).slice(-50);
};

const expectNear = (logits: Float32Array, expected: Float32Array): void => {
  expect(logits).toHaveLength(expected.length);
  for (const [id, logit] of expected.entries()) expect(Math.abs(logits[id]! - logit)).toBeLessThan(1e-4);
};

const prompt = fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 1, maxLength: 9 });

lawTest.prop([fc.array(prompt, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 4 })], { numRuns: 20 })(
  "every prompt gives the logits of a new cache, feeds only what differs, and is held",
  async (prompts, chunkTokens) => {
    const { cache, session } = newSession(chunkTokens);
    for (const ids of prompts) {
      const differs = ids.findIndex((id, index) => id !== session.ids[index]);
      const fed = differs < 0 ? 1 : ids.length - differs;
      cache.tokens = 0;
      const progress: [number, number][] = [];
      const logits = await session.prompt(Int32Array.from(ids), {
        onProgress: (...report) => void progress.push(report),
      });
      expectNear(logits, await freshLogits(Int32Array.from(ids)));
      expect(cache.tokens).toBe(fed);
      expect(progress.at(-1)).toEqual([fed, fed]);
      expect(progress).toHaveLength(Math.ceil(fed / chunkTokens));
      expect(session.ids).toEqual(ids);
      expect(cache.length).toBe(ids.length);
    }
  },
);

test("a cache that cannot go back is fed everything again, also after an error", async () => {
  const { cache, session } = newSession(2);
  const truncate = cache.truncate.bind(cache);
  cache.truncate = (length) => {
    if (length > 0) throw new TruncateError("BACKEND_TRUNCATE_DROPPED", "expected a length that is still held");
    truncate(length);
  };
  await session.prompt(Int32Array.of(1, 2, 3));
  cache.tokens = 0;
  const ids = Int32Array.of(1, 2, 0, 4);
  expectNear(await session.prompt(ids), await freshLogits(ids));
  expect(cache.tokens).toBe(4);
  cache.failAtLayer = 1;
  await expect(session.append(Int32Array.of(4))).rejects.toThrow("out of memory");
  cache.failAtLayer = -1;
  expect(session.ids).toEqual([]);
  expectNear(await session.prompt(ids), await freshLogits(ids));
});

test("a generation goes on from what is held, and the next prompt with it", async () => {
  const { cache, session } = newSession();
  const options = { sampling: { temperature: 0, random: Math.random }, maxTokens: 4 };
  const first: number[] = [];
  for await (const id of generateOn(session, { ...options, prompt: Int32Array.of(3, 1, 4) })) first.push(id);
  expect(session.ids).toEqual([3, 1, 4, ...first.slice(0, -1)]);
  cache.tokens = 0;
  const again: number[] = [];
  for await (const id of generateOn(session, { ...options, prompt: Int32Array.of(3, 1, 4) })) again.push(id);
  expect(again).toEqual(first);
  expect(cache.tokens).toBe(4);
});

test("an error in the middle of the layers, or an abort, leaves the tokens fed before", async () => {
  const { cache, session } = newSession(2);
  await session.prompt(Int32Array.of(1, 2, 3));
  cache.failAtLayer = 1;
  await expect(session.append(Int32Array.of(4))).rejects.toThrow("out of memory");
  cache.failAtLayer = -1;
  expect(session.ids).toEqual([1, 2, 3]);
  expectNear(await session.append(Int32Array.of(5)), await freshLogits(Int32Array.of(1, 2, 3, 5)));

  const controller = new AbortController();
  const stop = { signal: controller.signal, onProgress: () => controller.abort(new Error("enough")) };
  await expect(session.append(Int32Array.of(6, 7, 8), stop)).rejects.toThrow("enough");
  expect(session.ids).toEqual([1, 2, 3, 5, 6, 7]);
  expect(cache.length).toBe(6);
});

test("a cache that holds tokens is continued when their ids are given, and refused otherwise", async () => {
  const { cache, session } = newSession();
  await session.prompt(Int32Array.of(1, 2, 3, 4));
  expect(() => new CacheSession({ decoder, cache })).toThrow(
    expect.objectContaining({
      code: "GENERATION_CACHE",
      message: expect.stringMatching(/ 0 tokens, .* 4;/) as unknown,
    }),
  );
  const restored = new CacheSession({ decoder, cache, ids: Int32Array.of(1, 2, 3, 4) });
  cache.tokens = 0;
  const ids = Int32Array.of(1, 2, 3, 0, 4);
  expectNear(await restored.prompt(ids), await freshLogits(ids));
  expect(cache.tokens).toBe(2);
  // The first session does not know of the last token.
  await expect(session.append(Int32Array.of(5))).rejects.toMatchObject({ code: "GENERATION_CACHE" });
});

test("a context of 131072 tokens can be filled in one piece", async () => {
  const tokens = 131_072;
  const rows = (count: number): Tensor => new OrtTensor("float32", new Float32Array(count), [count, 1]);
  const stub = {
    config: { contextLength: tokens },
    shape: { layers: 1 },
    positions: () => ({ tables: [] }),
    first: async ({ length }: Int32Array) => ({
      residual: rows(0),
      query: rows(length),
      key: rows(length),
      value: rows(length),
    }),
    last: async () => rows(0),
    lastLogits: async () => Float32Array.of(1),
    createState: () => decoder.createState(),
  } as unknown as Decoder;
  let length = 0;
  const growing: SequenceCache = {
    get length() {
      return length;
    },
    attend: async (_, query) => {
      length += query.dims[1]!;
      return new OrtTensor("float32", new Float32Array(query.dims[1]!), [1, query.dims[1]!, 1]);
    },
    truncate: () => undefined,
  };
  const session = new CacheSession({ decoder: stub, cache: growing, chunkTokens: tokens });
  await session.prompt(new Int32Array(tokens - 1));
  await session.append(Int32Array.of(1));
  expect(session.ids).toHaveLength(tokens);
  await expect(session.append(Int32Array.of(1))).rejects.toMatchObject({ code: "GENERATION_CONTEXT" });
});

test("no tokens, and more than the model was trained for, are refused before anything is forgotten", async () => {
  const { session } = newSession();
  await session.prompt(Int32Array.of(1, 2));
  const refused = { code: "GENERATION_CONTEXT", message: expect.stringMatching(/512 .* 513/) as unknown };
  await expect(session.prompt(new Int32Array(513))).rejects.toMatchObject(refused);
  await expect(session.append(new Int32Array(511))).rejects.toMatchObject(refused);
  await expect(session.append(new Int32Array(0))).rejects.toMatchObject({ code: "GENERATION_EMPTY_PROMPT" });
  expect(session.ids).toEqual([1, 2]);
});
