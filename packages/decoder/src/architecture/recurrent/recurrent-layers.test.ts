import { expect, test } from "vitest";
import { modelKeys } from "../model-keys.ts";
import { readRecurrent } from "./recurrent-layers.ts";
import { shortConvolution } from "./short-convolution.ts";

const SIZES = { layers: 4, hiddenSize: 8 };

const layersOf = (metadata: Readonly<Record<string, unknown>>, convolutions: readonly number[] = []): boolean[] => {
  const keys = modelKeys(new Map(Object.entries({ "lfm2.shortconv.l_cache": 3, ...metadata })), "lfm2");
  const tensors = new Map(convolutions.map((layer) => [`blk.${layer}.shortconv.conv.weight`, { dims: [3, 8] }]));
  return [...readRecurrent(shortConvolution, keys, tensors, SIZES).at];
};

test("layers without KV heads are recurrent, else those with the kind's tensor, else all but each last of an interval", () => {
  const heads = { "lfm2.attention.head_count_kv": [0, 2, 0, 2] };
  const interval = { "lfm2.full_attention_interval": 4 };
  expect(layersOf({ ...heads, ...interval }, [0])).toEqual([true, false, true, false]);
  expect(layersOf({ "lfm2.attention.head_count_kv": [2, 2, 2, 2], ...interval }, [0])).toEqual([
    true,
    false,
    false,
    false,
  ]);
  expect(layersOf({ "lfm2.attention.head_count_kv": 2, ...interval })).toEqual([true, true, true, false]);
});

test("a file that does not tell its layers apart is refused with what it lacks", () => {
  expect(() => layersOf({})).toThrow(
    expect.objectContaining({
      code: "MODEL_METADATA_MISSING",
      message: expect.stringMatching(/lfm2\.attention\.head_count_kv.*shortconv\.conv.*lfm2\.full_attention_interval/),
    }),
  );
  expect(() => layersOf({}, [0, 1, 2, 3])).toThrow(expect.objectContaining({ code: "MODEL_METADATA_INVALID" }));
});
