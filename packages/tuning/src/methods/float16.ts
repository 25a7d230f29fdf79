import { layerScheme } from "@kvtuner/plan";
import { uniformSetting, type Method } from "./method.ts";

/** The cache that runtimes use by default. */
export const float16Method: Method = {
  name: "float16",
  title: "16-bit cache",
  source: "https://en.wikipedia.org/wiki/Half-precision_floating-point_format",
  settings: [uniformSetting("float16", layerScheme("per-token", { key: 16, value: 16 }))],
};
