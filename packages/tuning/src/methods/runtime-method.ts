import type { CacheShape } from "@kvtuner/plan";
import { type ChannelRanges, channelRanges } from "../runtimes/channel-ranges.ts";
import type { Runtime } from "../runtimes/runtime.ts";
import type { Method, MethodSetting } from "./method.ts";

/** Labels of settings do not depend on the shape. */
const ANY_SHAPE: CacheShape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 64 };
const ANY_RANGES: ChannelRanges = { key: new Float32Array(64), value: new Float32Array(64) };

/** The settings of another runtime whose layers are alike, as a method to compare with. */
export const runtimeMethod = (runtime: Runtime, name: string, title: string): Method => ({
  name,
  title,
  source: runtime.source,
  settings: runtime.settings({ shape: ANY_SHAPE, ranges: [ANY_RANGES] }).map(({ label }): MethodSetting => {
    const layers = (shape: CacheShape, ranges: readonly ChannelRanges[]) =>
      runtime.settings({ shape, ranges }).find((setting) => setting.label === label)!.layers;
    return runtime.needsRanges === true
      ? {
          label,
          codec: "block-format",
          calibrate: async ({ model, samples, callbacks }) => ({
            layers: layers(model.shape, await channelRanges(model, samples, callbacks.signal)),
          }),
        }
      : { label, layers: (shape) => layers(shape, []) };
  }),
});
