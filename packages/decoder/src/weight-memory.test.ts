import { expect, test } from "vitest";
import { segmentMemory } from "./segment-memory.ts";
import { weightMemory } from "./weight-memory.ts";

const MIB = 2 ** 20;

/** Matrices of a model, all of one type except the output matrix. */
const model = (layers: number, layerNumbers: number, type: string, headNumbers: number, headType: string) => ({
  tensors: new Map([
    ...Array.from(
      { length: layers },
      (_, layer) => [`blk.${layer}.ffn_up.weight`, { dims: [32, layerNumbers / 32], type }] as const,
    ),
    ["token_embd.weight", { dims: [32, headNumbers / 32], type: headType }] as const,
  ]),
});
const SMOLLM2 = model(30, 106_168_320 / 30, "Q4_1", 28_311_552, "Q8_0");
const WIDE_8 = model(12, 11_272_192, "Q8_0", 65_536_000, "Q8_0");
const WIDE_4 = model(12, 11_272_192, "Q4_0", 65_536_000, "Q4_0");

// Peak resident MiB of loading, less the process itself, on onnxruntime-node 1.30.
test.for([
  ["SmolLM2", SMOLLM2, "float32", 1133],
  ["SmolLM2", SMOLLM2, "stored", 686],
  ["SmolLM2", SMOLLM2, "stored-int8", 363],
  ["200 million numbers in Q8_0", WIDE_8, "float32", 2064],
  ["200 million numbers in Q8_0", WIDE_8, "stored", 2017],
  ["200 million numbers in Q8_0", WIDE_8, "stored-int8", 703],
  ["200 million numbers in Q4_0", WIDE_4, "float32", 2055],
  ["200 million numbers in Q4_0", WIDE_4, "stored", 448],
  ["200 million numbers in Q4_0", WIDE_4, "stored-int8", 490],
] as const)("the peak of %s, %s, is as measured: %s", ([, header, storage, measured]) => {
  const { peakBytes } = weightMemory(header, storage);
  expect(peakBytes / MIB / measured).toBeGreaterThan(0.9);
  expect(peakBytes / MIB / measured).toBeLessThan(1.2);
});

test("what is kept are codes, scales and offsets, or float32, without embeddings that are only looked up", () => {
  const tensors = new Map([
    ["token_embd.weight", { dims: [32, 1000], type: "F16" }],
    ["per_layer_token_embd.weight", { dims: [64, 1000], type: "F16" }],
    ["output.weight", { dims: [32, 10], type: "Q5_1" }],
    ["blk.0.attn_q.weight", { dims: [32, 4], type: "Q4_0" }],
    ["blk.0.attn_norm.weight", { dims: [32], type: "F32" }],
  ]);
  const kept = (storage: Parameters<typeof weightMemory>[1]): number => weightMemory({ tensors }, storage).keptBytes;
  expect(kept("float32")).toBe(4 * (320 + 128 + 32));
  expect(kept("stored")).toBe(4 * 320 + (64 + 16) + 4 * 32);
  expect(kept("stored-int8")).toBe(320 + 80 + (64 + 16) + 4 * 32);
  expect(segmentMemory({ tensors }, "float32").diskBytes).toBe(4 * (320 + 128 + 32));
});
