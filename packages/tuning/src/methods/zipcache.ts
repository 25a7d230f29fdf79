import type { LayerScheme } from "@kvtuner/plan";
import { uniformSetting, type Method } from "./method.ts";

/** Tokens that are compressed together: the method compresses anew after every hundred tokens. */
const TILE = 100;

/** Keys per channel; values per token after each channel is divided by the root of its largest magnitude. */
const layerOf = (bits: 4 | 2): LayerScheme => ({
  key: {
    kind: "affine",
    bits,
    format: "affine",
    axis: "channel",
    groupSize: TILE,
    blockSize: TILE,
    transform: "none",
  },
  value: {
    kind: "balanced",
    bits,
    axis: "token",
    groupSize: "row",
    blockSize: TILE,
    transform: "none",
    balance: "largest",
    order: "none",
    clip: 1,
    parameters: "float16",
  },
  residency: { kind: "prefix", sinks: 0, recent: 0 },
});

/** Its quantizers alone, with one width for all tokens: the paper gives 4 bits to 60% of the tokens by attention and 2 to the rest. */
export const zipcacheMethod: Method = {
  name: "zipcache",
  title: "ZipCache's quantizers",
  source: "https://arxiv.org/abs/2405.14256",
  settings: [uniformSetting("K4V4", layerOf(4)), uniformSetting("K2V2", layerOf(2))],
};
