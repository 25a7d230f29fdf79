import type { InferenceSession } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { readConfig } from "./architecture/read-config.ts";
import { batchAttention } from "./attention/batch-attention.ts";
import { FloatAttention } from "./attention/float-attention.ts";
import type { Decoder } from "./decoder.ts";
import { forward } from "./forward.ts";
import { loadDecoder } from "./load-decoder.ts";
import { oneThreadSession } from "./test-support/one-thread-session.ts";
import { randomWeights, type SmallModel } from "./test-support/random-weights.ts";
import { referenceLogits } from "./test-support/reference-decoder.ts";

const createSession = oneThreadSession;
const small = {
  layers: 3,
  hiddenSize: 32,
  feedForwardSize: 48,
  queryHeads: 4,
  kvHeads: 2,
  headSize: 16,
  vocabulary: 50,
  tied: true,
} as const;
const qwen3: SmallModel = { ...small, architecture: "qwen3", tied: false, headSize: 24, rope: { freq_base: 1e6 } };
const models: Record<string, SmallModel> = {
  "llama, tied": { ...small, architecture: "llama" },
  "llama, untied, head size other than hidden / heads": { ...small, architecture: "llama", tied: false, headSize: 24 },
  "llama with Llama 3 frequency factors": {
    ...small,
    architecture: "llama",
    frequencyFactors: [1, 1, 1.5, 2, 4, 8, 8, 8],
  },
  "llama with linear scaling": {
    ...small,
    architecture: "llama",
    rope: { "scaling.type": "linear", "scaling.factor": 4 },
  },
  "llama with a factor that has no type": { ...small, architecture: "llama", rope: { "scaling.factor": 2.5 } },
  "qwen2 with the old name of a factor": { ...small, architecture: "qwen2", rope: { scale_linear: 8 } },
  "a type beside the old name of a factor": {
    ...small,
    architecture: "llama",
    rope: { "scaling.type": "linear", scale_linear: 8 },
  },
  "llama with a factor that is not used": {
    ...small,
    architecture: "llama",
    rope: { "scaling.type": "none", "scaling.factor": 4 },
  },
  "qwen2 with biases, one KV head": { ...small, architecture: "qwen2", kvHeads: 1 },
  "llama with its own scale, sliding attention in two of three layers, capped scores and sinks": {
    ...small,
    architecture: "llama",
    hasSinks: true,
    metadata: {
      "attention.scale": 0.4,
      "attention.sliding_window": 9,
      "attention.sliding_window_pattern": 2,
      attn_logit_softcapping: 1.5,
    },
  },
  "qwen3, untied, head size other than hidden / heads, a RoPE base of its own": qwen3,
  "qwen2, untied, no grouping": { ...small, architecture: "qwen2", kvHeads: 4, tied: false },
};
const ids = Array.from({ length: 40 }, (_, index) => (index * 17 + 3) % 50);

const logits = async (decoder: Decoder, splits: readonly number[]): Promise<number[][]> => {
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const rows: number[][] = [];
  for (const [index, start] of splits.entries()) {
    const positions = ids.map((_, position) => position).slice(start, splits[index + 1] ?? ids.length);
    const residual = await forward(
      decoder,
      positions.map((position) => ids[position]!),
      positions,
      attention,
    );
    const data = [...((await decoder.head(residual)).data as Float32Array)];
    for (let row = 0; row < positions.length; row++) rows.push(data.slice(row * 50, (row + 1) * 50));
  }
  return rows;
};

const largestDifference = (a: number[][], b: number[][]): number =>
  Math.max(...a.flatMap((row, index) => row.map((x, column) => Math.abs(x - b[index]![column]!))));

describe.each(Object.entries(models))("%s", (_, model) => {
  const source = randomWeights(model, 7);

  test("logits equal a double-precision reference, in one piece, in pieces and token by token", async () => {
    const decoder = await loadDecoder(source, { createSession });
    const expected = await referenceLogits(source, model, ids);
    expect(largestDifference(await logits(decoder, [0]), expected)).toBeLessThan(1e-4);
    expect(largestDifference(await logits(decoder, [0, 5, 6, 30]), expected)).toBeLessThan(1e-4);
    expect(
      largestDifference(
        await logits(
          decoder,
          ids.map((_id, index) => index),
        ),
        expected,
      ),
    ).toBeLessThan(1e-4);
    await decoder.dispose();
  });
});

test("sequences in a batch do not see each other", async () => {
  const decoder = await loadDecoder(randomWeights(models["llama, tied"]!, 3), { createSession });
  const alone = [0, 1].map(() => new FloatAttention(decoder.shape, decoder.attention));
  const together = alone.map(() => new FloatAttention(decoder.shape, decoder.attention));
  for (const positions of [[0, 1, 2], [3], [4, 5]]) {
    const tokens = [1, 9].map((first) => positions.map((position) => first + 3 * position));
    const all = [...positions, ...positions];
    const batch = (await forward(decoder, tokens.flat(), all, batchAttention(together), 2)).data as Float32Array;
    for (const [row, own] of tokens.entries()) {
      const single = (await forward(decoder, own, positions, alone[row]!)).data as Float32Array;
      single.forEach((x, index) => expect(batch[row * single.length + index]).toBeCloseTo(x, 4));
    }
  }
});

describe("a decoder that fails to load gives back what was built", () => {
  const source = randomWeights({ ...models["llama with Llama 3 frequency factors"]!, layers: 2 }, 5);
  const failure = new Error("no more");
  const fail = (): never => {
    throw failure;
  };
  const readTensor = async (name: string): Promise<Float32Array> =>
    name === "rope_freqs.weight" ? fail() : source.readTensor(name);

  /** Four segments, the frequency factors, and the attention. */
  test.each([
    ["at the third segment", 2, { failAt: 3 }],
    ["at the attention", 4, { failAt: 5 }],
    ["in onProgress", 2, { onProgress: (done: number) => done === 2 && fail() }],
    ["at the frequency factors", 4, { source: { ...source, readTensor } }],
  ] as [string, number, { failAt?: number; onProgress?: (done: number) => void; source?: typeof source }][])(
    "%s, when there are %i sessions",
    async (_, made, { failAt, onProgress, source: changed }) => {
      const sessions: { released: number }[] = [];
      const counted = async (): Promise<InferenceSession> => {
        if (sessions.length + 1 === failAt) fail();
        const session = { released: 0, release: async () => void session.released++ };
        sessions.push(session);
        return session as unknown as InferenceSession;
      };
      const options = { createSession: counted, ...(onProgress && { onProgress }) };
      await expect(loadDecoder(changed ?? source, options)).rejects.toBe(failure);
      expect(sessions.map(({ released }) => released)).toEqual(Array.from({ length: made }, () => 1));
    },
  );
});

describe("a model that cannot be loaded says why", () => {
  const weights = randomWeights(models["llama, tied"]!, 1);
  const without = (key: string, value?: unknown): Map<string, unknown> => {
    const metadata = new Map(weights.metadata);
    metadata.delete(key);
    if (value !== undefined) metadata.set(key, value);
    return metadata;
  };
  const cases: [string, Map<string, unknown>, string, RegExp][] = [
    [
      "unknown architecture",
      without("general.architecture", "mamba"),
      "MODEL_UNKNOWN_ARCHITECTURE",
      /llama, qwen2.*"mamba"/,
    ],
    [
      "a list as architecture",
      without("general.architecture", Int32Array.of(1, 2)),
      "MODEL_UNKNOWN_ARCHITECTURE",
      /got a list of 2 \[1, 2\]/,
    ],
    [
      "a mixture of experts in an architecture without any",
      without("llama.block_count").set("general.architecture", "qwen2").set("qwen2.expert_count", 8),
      "MODEL_EXPERTS_UNSUPPORTED",
      /mixture of 8 experts.*use a dense model/,
    ],
    [
      "more experts used than there are",
      without("x", 0).set("llama.expert_count", 8).set("llama.expert_used_count", 9),
      "MODEL_METADATA_INVALID",
      /expert_used_count up to llama\.expert_count.*"used":9/,
    ],
    [
      "a part of a model",
      without("general.architecture").set("split.count", 3).set("split.no", 1),
      "MODEL_SPLIT",
      /got part 2 of 3; open all parts together/,
    ],
    ["no layer count", without("llama.block_count"), "MODEL_METADATA_MISSING", /llama\.block_count/],
    ["a negative size", without("llama.embedding_length", -32), "MODEL_METADATA_INVALID", /embedding_length.*-32/],
    ["heads that do not divide", without("llama.attention.head_count_kv", 3), "MODEL_METADATA_INVALID", /4 and 3/],
    ["longrope", without("x", 0).set("llama.rope.scaling.type", "longrope"), "MODEL_ROPE_UNSUPPORTED", /"longrope"/],
    [
      "yarn without a factor",
      without("x", 0).set("llama.rope.scaling.type", "yarn"),
      "MODEL_METADATA_MISSING",
      /llama\.rope\.scaling\.factor/,
    ],
    [
      "a key of RoPE that is not computed",
      without("x", 0).set("llama.rope.scaling.alpha", 2),
      "MODEL_ROPE_UNSUPPORTED",
      /got llama\.rope\.scaling\.alpha/,
    ],
    [
      "a key of yarn with another type",
      without("llama.rope.scaling.type", "linear").set("llama.rope.scaling.yarn_beta_fast", 32),
      "MODEL_ROPE_UNSUPPORTED",
      /got llama\.rope\.scaling\.yarn_beta_fast/,
    ],
    [
      "a size for each of other layers",
      without("llama.attention.head_count_kv", Int32Array.of(2, 1)),
      "MODEL_METADATA_INVALID",
      /head_count_kv to be one number or a list of 3.*got a list of 2 \[2, 1\]/,
    ],
    [
      "a layer whose heads do not fit its tensors",
      without("llama.attention.head_count_kv", Int32Array.of(2, 1, 2)),
      "MODEL_TENSOR_SHAPE",
      /blk\.1\.attn_k/,
    ],
    [
      "heads of two sizes, which llama has not",
      new Map([
        ...without("llama.attention.key_length_swa", 8),
        ["llama.attention.sliding_window", 4],
        ["llama.attention.sliding_window_pattern", 2],
      ]),
      "MODEL_METADATA_INVALID",
      /heads of one size in all layers, got 8 and 16/,
    ],
    [
      "lists of what is no number",
      without("llama.embedding_length", ["a", "a"]),
      "MODEL_METADATA_INVALID",
      /got a list of 2 \["a", "a"\]/,
    ],
    ["sizes that do not fit the tensors", without("llama.feed_forward_length", 49), "MODEL_TENSOR_SHAPE", /ffn_gate/],
    ["more layers than tensors", without("llama.block_count", 4), "MODEL_LAYER_COUNT", /the 4 layers.*of 3.*blk\.2/],
    ["fewer layers than tensors", without("llama.block_count", 2), "MODEL_LAYER_COUNT", /the 2 layers.*of 3.*blk\.2/],
  ];
  test.each(cases)("%s", async (_, metadata, code, message) => {
    const failure = await loadDecoder({ ...weights, metadata }, { createSession }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
  });

  test.each([
    ["qwen2", "blk.1.attn_k.bias"],
    ["qwen3", "blk.0.attn_q_norm.weight"],
    ["qwen3", "blk.2.attn_k_norm.weight"],
  ] as const)("a %s without %s", async (architecture, name) => {
    const source = randomWeights({ ...small, architecture }, 1);
    const tensors = new Map(source.tensors);
    tensors.delete(name);
    const message = expect.stringContaining(`expected tensor ${name} in the model file, got none`) as unknown;
    await expect(loadDecoder({ ...source, tensors }, { createSession })).rejects.toMatchObject({
      code: "MODEL_TENSOR_MISSING",
      message,
    });
  });

  test("a list of equal numbers counts as one", () => {
    const metadata = without("llama.attention.head_count_kv", Int32Array.of(2, 2, 2)).set(
      "llama.feed_forward_length",
      [48, 48, 48],
    );
    expect(readConfig({ ...weights, metadata })).toEqual(readConfig(weights));
  });

  test("a tensor type that cannot be read is reported after the architecture", () => {
    const tensors = new Map(weights.tensors).set("blk.1.ffn_up.weight", {
      dims: [256],
      type: "IQ2_XXS",
      isSupported: false,
    });
    const outcomeOf = (metadata: ReadonlyMap<string, unknown>): unknown => {
      try {
        return readConfig({ metadata, tensors });
      } catch (error) {
        return error;
      }
    };
    expect(outcomeOf(without("general.architecture", "mamba"))).toMatchObject({ code: "MODEL_UNKNOWN_ARCHITECTURE" });
    expect(outcomeOf(weights.metadata)).toMatchObject({
      code: "GGUF_UNKNOWN_TENSOR_TYPE",
      message: expect.stringMatching(/blk\.1\.ffn_up\.weight .*got IQ2_XXS/) as unknown,
    });
  });

  test("an output matrix of 2 GiB and more can be", () => {
    const tensors = new Map(weights.tensors).set("token_embd.weight", { dims: [32, 2 ** 24] });
    expect(readConfig({ metadata: weights.metadata, tensors }).hiddenSize).toBe(32);
  });

  test("an embedding that is missing is reported before anything is read", () => {
    const tensors = new Map(weights.tensors);
    tensors.delete("token_embd.weight");
    const code = "MODEL_TENSOR_MISSING";
    expect(() => readConfig({ metadata: weights.metadata, tensors })).toThrow(expect.objectContaining({ code }));
  });
});
