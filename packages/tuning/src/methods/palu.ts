import { calibrateLowRank, type LowRankSetting } from "../calibration/low-rank/calibrate-low-rank.ts";
import type { CalibratedSetting, Method } from "./method.ts";
import { oncePerSamples } from "./once-per-samples.ts";

const statistics = oncePerSamples(({ model, samples, seed, callbacks }) =>
  calibrateLowRank(model, samples, { seed, callbacks }),
);

/** @param dropped share of the channels that are left out, by which the paper names its settings */
const setting = (dropped: number, bits: LowRankSetting["bits"]): CalibratedSetting => ({
  label: `${100 * dropped}%${bits === 16 ? "" : ` ${bits}-bit`}`,
  codec: "transform",
  calibrate: async (calibration) => (await statistics(calibration))({ share: 1 - dropped, bits }),
});

/**
 * Low rank by KV head, keys before RoPE, ranks by Fisher information. Palu decomposes groups of heads (here one head each) and codes
 * few bits uniformly (here by Gaussian levels).
 */
export const paluMethod: Method = {
  name: "palu",
  title: "Palu",
  source: "https://arxiv.org/abs/2407.21118",
  settings: [setting(0.3, 16), setting(0.5, 16), setting(0.3, 4), setting(0.3, 3), setting(0.5, 4), setting(0.5, 3)],
};
