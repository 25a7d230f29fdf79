import type { GgufFile } from "@kvtuner/decoder";
import { describe, expect, test } from "vitest";
import { chooseWeights } from "./memory.ts";
import { LEAST_PIECE_TOKENS, pieceTokens, runMemory } from "./weights.ts";

const [LAYERS, HIDDEN, FEED_FORWARD, VOCABULARY] = [24, 896, 4864, 151_936];

/** The header of a model with the sizes of Qwen2.5 0.5B, all matrices in Q8_0. */
const header = (): GgufFile => {
  const tensors: [
    string,
    { readonly dims: readonly number[]; readonly type: string; readonly isSupported: boolean },
  ][] = [];
  const add = (name: string, dims: readonly number[], type = "Q8_0"): void => {
    tensors.push([`${name}.weight`, { dims, type, isSupported: true }]);
  };
  add("token_embd", [HIDDEN, VOCABULARY]);
  add("output_norm", [HIDDEN], "F32");
  for (let layer = 0; layer < LAYERS; layer++) {
    for (const name of ["attn_norm", "ffn_norm"]) add(`blk.${layer}.${name}`, [HIDDEN], "F32");
    for (const name of ["attn_q", "attn_output"]) add(`blk.${layer}.${name}`, [HIDDEN, HIDDEN]);
    for (const name of ["attn_k", "attn_v"]) add(`blk.${layer}.${name}`, [HIDDEN, 128]);
    for (const name of ["ffn_gate", "ffn_up"]) add(`blk.${layer}.${name}`, [HIDDEN, FEED_FORWARD]);
    add(`blk.${layer}.ffn_down`, [FEED_FORWARD, HIDDEN]);
  }
  const metadata = new Map<string, unknown>([
    ["general.architecture", "llama"],
    ["llama.block_count", LAYERS],
    ["llama.context_length", 32_768],
    ["llama.embedding_length", HIDDEN],
    ["llama.feed_forward_length", FEED_FORWARD],
    ["llama.attention.head_count", 14],
    ["llama.attention.head_count_kv", 2],
    ["llama.attention.layer_norm_rms_epsilon", 1e-6],
  ]);
  return { metadata, tensors: new Map(tensors) } as unknown as GgufFile;
};

const gguf = header();
const [compact, exact] = [runMemory(gguf, "compact"), runMemory(gguf, "exact")];
/** With the smallest pieces of prompts. */
const leastCompact = runMemory(gguf, "compact", LEAST_PIECE_TOKENS);
const leastExact = runMemory(gguf, "exact", LEAST_PIECE_TOKENS);
/** With one segment open. */
const exactLeast = leastExact.anonymousBytes + leastExact.largestSegmentBytes;
const PLENTY = 64e9;

describe("weights are chosen", () => {
  test("compact if it fits the limit, otherwise exact with as many segments open as fit", () => {
    const { peakBytes, diskBytes } = compact;
    const all = { weights: "compact", peakBytes, diskBytes, pieceTokens: pieceTokens(gguf, "compact") };
    expect(chooseWeights(gguf, {}, PLENTY)).toEqual(all);
    expect(chooseWeights(gguf, { memory: compact.peakBytes }, PLENTY)).toEqual(all);
    const least = { ...all, peakBytes: leastCompact.peakBytes, pieceTokens: LEAST_PIECE_TOKENS };
    expect(chooseWeights(gguf, { memory: compact.peakBytes - 1 }, PLENTY)).toEqual(least);
    const choice = chooseWeights(gguf, { memory: leastCompact.peakBytes - 1 }, PLENTY);
    expect(choice).toMatchObject({ weights: "exact", diskBytes: exact.diskBytes });
    expect(choice.residentSegments).toBeGreaterThan(1);
    expect(choice.pieceTokens).toBe(LEAST_PIECE_TOKENS);
    expect(choice.peakBytes).toBeLessThan(leastCompact.peakBytes);
    expect(choice.peakBytes + exact.largestSegmentBytes).toBeGreaterThanOrEqual(leastCompact.peakBytes);
  });

  test("as asked for, with all segments open if they fit", () => {
    expect(chooseWeights(gguf, { weights: "exact", memory: exact.peakBytes }, PLENTY)).not.toHaveProperty(
      "residentSegments",
    );
    // Without a limit, pages of files may exceed the free memory: the system drops them.
    expect(chooseWeights(gguf, { weights: "exact" }, exact.anonymousBytes)).not.toHaveProperty("residentSegments");
    expect(chooseWeights(gguf, { weights: "exact", memory: leastExact.peakBytes - 1 }, PLENTY)).toHaveProperty(
      "residentSegments",
    );
  });

  test("with room for what the caller takes beside the model", () => {
    const beside = { beside: { peakBytes: 1e8, anonymousBytes: 1e8 } };
    const choice = chooseWeights(gguf, { memory: compact.peakBytes + 1e8, ...beside }, PLENTY);
    expect(choice).toMatchObject({ weights: "compact", peakBytes: compact.peakBytes + 1e8 });
    const memory = leastCompact.peakBytes + 1e8 - 1;
    expect(chooseWeights(gguf, { memory, ...beside }, PLENTY).weights).toBe("exact");
    const least = exactLeast + 1e8;
    expect(() => chooseWeights(gguf, { memory: least - 1, ...beside }, PLENTY)).toThrow(/at least/);
  });

  test("or rejected with what is needed, what there is, and advice", () => {
    expect(chooseWeights(gguf, { memory: exactLeast }, PLENTY)).toMatchObject({
      weights: "exact",
      residentSegments: 1,
    });
    expect(() => chooseWeights(gguf, { memory: exactLeast - 1 }, PLENTY)).toThrow(
      expect.objectContaining({
        code: "MODEL_MEMORY",
        message: expect.stringMatching(
          /at least .* with --weights compact and .* with --weights exact .*, got --memory .*; raise --memory, or use a smaller/,
        ) as unknown,
      }),
    );
    expect(() => chooseWeights(gguf, { weights: "compact", memory: 6e8 }, PLENTY)).toThrow(
      /raise --memory, use --weights exact, or/,
    );
    expect(() => chooseWeights(gguf, {}, 1e8)).toThrow(/got 100 MB free; close other programs, or/);
    expect(() => chooseWeights(gguf, { weights: "exact", weightsAreFixed: true }, 1e8)).toThrow(
      /^expected at least [\d.]+ \wB to run this model, got 100 MB free; close other programs, or use a smaller model$/,
    );
  });

  test("or the work beside it is named, if the model fits without it", () => {
    const without = { peakBytes: 1e8, anonymousBytes: 1e8 };
    const avoidable = { name: "the gradients", advice: "use fewer", without };
    const beside = { peakBytes: 1e12, anonymousBytes: 1e12, avoidable };
    const least = exactLeast + without.anonymousBytes;
    const wishes = { weights: "exact", weightsAreFixed: true, beside } as const;
    expect(() => chooseWeights(gguf, wishes, least)).toThrow(
      expect.objectContaining({
        code: "WORK_MEMORY",
        message: expect.stringMatching(
          /^expected at least 1\.?\d* TB of memory for the gradients, got .* free; use fewer$/,
        ),
      }),
    );
    expect(() => chooseWeights(gguf, wishes, 1e8)).toThrow(/at least [\d.]+ [GM]B to run this model/);
  });
});
