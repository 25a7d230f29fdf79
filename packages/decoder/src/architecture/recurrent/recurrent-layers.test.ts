import { expect, test } from "vitest";
import { modelKeys } from "../model-keys.ts";
import { gatedDeltaNet } from "./gated-delta-net.ts";
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

test("states of Gated DeltaNet have the sizes of Qwen3.5, and contradictory heads are refused", () => {
  const statesOf = (valueHeads: number): ReturnType<typeof gatedDeltaNet.states> => {
    const ssm = { conv_kernel: 4, inner_size: 2048, state_size: 128, time_step_rank: valueHeads, group_count: 16 };
    const entries = Object.entries(ssm).map(([key, value]): [string, number] => [`qwen35.ssm.${key}`, value]);
    return gatedDeltaNet.states(modelKeys(new Map(entries), "qwen35"), 1024);
  };
  expect(statesOf(16)).toEqual({ inputs: [3 * 2048, 3], memory: [16, 128, 128] });
  for (const valueHeads of [15, 24])
    expect(() => statesOf(valueHeads)).toThrow(expect.objectContaining({ code: "MODEL_METADATA_INVALID" }));
});
