import type { LayerScheme, SchemeOf } from "@kvtuner/plan";
import { uniformSetting, type Method, type StaticSetting } from "./method.ts";

type Balanced = SchemeOf<"balanced">;

/** One block of first tokens stays in 16 bits, and so does the block that is not full yet. */
const layerOf = (key: Balanced["bits"], value: Balanced["bits"], tile: number): LayerScheme => {
  const values: Balanced = {
    kind: "balanced",
    bits: value,
    axis: "token",
    groupSize: "row",
    blockSize: tile,
    transform: "hadamard",
    balance: "variance",
    order: "none",
    clip: 1,
    parameters: "float16",
  };
  return {
    key: { ...values, bits: key, axis: "channel" },
    value: values,
    residency: { kind: "prefix", sinks: tile, recent: 0 },
  };
};

const preset = (key: Balanced["bits"], value: Balanced["bits"], tile: number): StaticSetting =>
  uniformSetting(`k${key}v${value}_g${tile}`, layerOf(key, value, tile));

/** The presets of its implementation in vLLM, and 2 bits of each, which its first table has. */
export const kvarnMethod: Method = {
  name: "kvarn",
  title: "KVarN",
  source: "https://arxiv.org/abs/2606.03458",
  settings: [preset(4, 4, 128), preset(4, 2, 128), preset(4, 4, 64), preset(4, 2, 64), preset(2, 2, 128)],
};
