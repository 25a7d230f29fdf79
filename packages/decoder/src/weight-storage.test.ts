import type { InferenceSession } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { FloatAttention } from "./attention/float-attention.ts";
import { forward } from "./forward.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openFileSource } from "./gguf/file-source.ts";
import { type GgufFile, openGguf } from "./gguf/gguf.ts";
import { tinyModel } from "./gguf/test-support/tiny-model.ts";
import { loadDecoder } from "./load-decoder.ts";
import { cachedModel } from "./test-support/cached-model.ts";
import { oneThreadSession } from "./test-support/one-thread-session.ts";
import { referenceLogits } from "./test-support/reference-decoder.ts";
import type { WeightStorage } from "./weight-storage.ts";

const sizes = { layers: 2, hiddenSize: 64, kvHeads: 2, headSize: 32, vocabulary: 260, tied: true };
const model = { ...sizes, heads: 4, feedForward: 96, seed: 3 };
const ids = Array.from({ length: 24 }, (_, index) => (index * 37 + 11) % 260);

interface Run {
  readonly logits: Float32Array;
  /** Size of the graphs. */
  readonly graphBytes: number;
  readonly graphs: number;
}

/** Logits at the end of a long piece, of a single token, and at the end of a short piece. */
const run = async (file: GgufFile, weights: WeightStorage, maxHeadBytes = 2 ** 30): Promise<Run> => {
  let [graphBytes, graphs] = [0, 0];
  const createSession = (graph: Uint8Array): Promise<InferenceSession> => {
    graphBytes += graph.length;
    graphs++;
    return oneThreadSession(graph);
  };
  const decoder = await loadDecoder(file, { createSession, weights, maxHeadBytes });
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const positions = ids.map((_, position) => position);
  const pieces: Float32Array[] = [];
  for (const [start, end] of [
    [0, 20],
    [20, 21],
    [21, 24],
  ] as const) {
    const part = await forward(decoder, ids.slice(start, end), positions.slice(start, end), attention);
    pieces.push((await decoder.head(part)).data as Float32Array);
  }
  await decoder.dispose();
  return { logits: joined(pieces), graphBytes, graphs };
};

const joined = (pieces: readonly Float32Array[]): Float32Array => {
  const whole = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  pieces.reduce((at, piece) => (whole.set(piece, at), at + piece.length), 0);
  return whole;
};

const largestDifference = (logits: Float32Array, expected: ArrayLike<number>): number =>
  logits.reduce((largest, logit, index) => Math.max(largest, Math.abs(logit - expected[index]!)), 0);

describe.each([
  ["llama", [2, 3], 64, "Q4_0 and Q4_1"],
  ["qwen2", [3, 2, 3], 64, "Q4_0 and Q4_1 beside biases"],
  ["llama", [3, 8, 6, 2, 7, 20, 39], 64, "all types with blocks of 32"],
  // Of two products with the same input, one has blocks of 16 and one of 32.
  ["qwen2", [14, 12, 10, 13, 11, 23], 256, "all types with blocks of 256"],
] as const)("a %s of %j, hidden size %i (%s)", (architecture, matrixTypes, hiddenSize, _) => {
  test("gives the logits of its dequantized weights, exactly as stored or nearly with int8 activations", async () => {
    const all = { ...sizes, hiddenSize, headSize: hiddenSize / 4, feedForwardSize: hiddenSize === 64 ? 96 : 256 };
    const file = await openGguf(
      bufferSource(tinyModel({ ...model, ...all, feedForward: all.feedForwardSize, architecture, matrixTypes })),
    );
    const expected = (await referenceLogits(file, { ...all, architecture, queryHeads: 4 }, ids)).flat();
    const float = await run(file, "float32");
    const stored = await run(file, "stored");
    const rounded = await run(file, "stored-int8");
    expect(largestDifference(float.logits, expected)).toBeLessThan(1e-4);
    expect(largestDifference(stored.logits, expected)).toBeLessThan(1e-4);
    const difference = largestDifference(rounded.logits, expected);
    // Far above the noise of float32: int8 arithmetic was in use.
    expect(difference).toBeGreaterThan(1e-3);
    expect(difference).toBeLessThan(0.3);
    expect(stored.graphBytes).toBeLessThan(float.graphBytes);
    expect(rounded.graphBytes).toBeLessThanOrEqual(stored.graphBytes);
  });
});

test.each(["float32", "stored", "stored-int8"] as const)(
  "an output matrix in pieces gives the logits of the whole one, weights %s",
  async (weights) => {
    const file = await openGguf(bufferSource(tinyModel({ ...model, architecture: "llama", matrixTypes: [3, 2] })));
    const whole = await run(file, weights);
    // 260 rows of 64 numbers, in pieces of 100, 100 and 60.
    const pieces = await run(file, weights, 4 * 64 * 100);
    expect(pieces.graphs).toBe(whole.graphs + 2);
    expect(largestDifference(pieces.logits, whole.logits)).toBeLessThan(1e-5);
  },
);

const path = cachedModel();

test.skipIf(path === undefined)(
  "SmolLM2 gives the same logits as stored (needs npm run model -- smollm2)",
  async () => {
    const source = await openFileSource(path!);
    const file = await openGguf(source);
    const float = await run(file, "float32");
    const stored = await run(file, "stored");
    await source.close();
    // Both are within 1e-4 of double precision.
    expect(largestDifference(stored.logits, float.logits)).toBeLessThan(2e-4);
    expect(stored.graphBytes).toBeLessThan(0.5 * float.graphBytes);
  },
);
