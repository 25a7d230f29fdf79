import { expect, test } from "vitest";
import { lfm2 } from "./families/lfm2.ts";
import { llama } from "./families/llama.ts";
import { readLayerSizes } from "./layer-sizes.ts";
import { modelKeys } from "./model-keys.ts";

const keysOf = (kvHeads: unknown): ReturnType<typeof modelKeys> =>
  modelKeys(
    new Map<string, unknown>([
      ["a.attention.head_count", 8],
      ["a.attention.head_count_kv", kvHeads],
      ["a.feed_forward_length", [6, 7, 8]],
    ]),
    "a",
  );

const layers = { slides: [false, false, false], draftLayers: 0, hiddenSize: 64 };

test("layers have sizes of their own, and recurrent ones no KV heads", () => {
  expect(readLayerSizes(keysOf([4, 2, 8]), llama, layers)).toEqual([
    { queryHeads: 8, kvHeads: 4, headSize: 8, feedForwardSize: 6 },
    { queryHeads: 8, kvHeads: 2, headSize: 8, feedForwardSize: 7 },
    { queryHeads: 8, kvHeads: 8, headSize: 8, feedForwardSize: 8 },
  ]);
  const withDraft = { ...layers, slides: [false, false], draftLayers: 1 };
  expect(readLayerSizes(keysOf([4, 2, 8]), llama, withDraft).map(({ kvHeads }) => kvHeads)).toEqual([4, 2]);
  expect(readLayerSizes(keysOf([0, 2, 4]), lfm2, layers).map(({ kvHeads }) => kvHeads)).toEqual([2, 2, 4]);
});

test.each([[[0, 2, 4]], [[2, 2]], [[2, 2, 3]], [[2, "two", 2]]])(
  "%s KV heads of three llama layers are refused",
  (kvHeads) => {
    expect(() => readLayerSizes(keysOf(kvHeads), llama, layers)).toThrow(
      expect.objectContaining({ code: "MODEL_METADATA_INVALID" }),
    );
  },
);
