import { calibrateCodebook, type CodebookLayers } from "../calibration/codebook/calibrate-codebook.ts";
import type { CodebookSetting } from "../calibration/codebook/codebook-layer.ts";
import type { CalibratedSetting, Calibration, Method } from "./method.ts";

type AtSetting = (setting: CodebookSetting) => CodebookLayers;

/** Statistics of calibrations, by their samples: one backward pass serves all settings. */
const known = new WeakMap<Calibration["samples"], Promise<AtSetting>>();

const statistics = async ({ model, samples, seed, callbacks }: Calibration): Promise<AtSetting> => {
  const found = known.get(samples) ?? calibrateCodebook(model, samples, { seed, callbacks });
  known.set(samples, found);
  // A later setting tries again.
  found.catch(() => known.delete(samples));
  return found;
};

const setting = (bits: CodebookSetting["bits"], outliers: CodebookSetting["outliers"]): CalibratedSetting => ({
  label: `nuq${bits}${outliers > 0 ? `-${outliers * 100}%` : ""}`,
  calibrate: async (calibration) => (await statistics(calibration))({ bits, outliers }),
});

/** Keys per channel before RoPE, values per token, levels of each layer's keys and values from squared gradients, the first token exact. */
export const kvquantMethod: Method = {
  name: "kvquant",
  title: "KVQuant",
  source: "https://arxiv.org/abs/2401.18079",
  settings: ([4, 3, 2] as const).flatMap((bits) =>
    ([0.01, 0.001, 0] as const).map((outliers) => setting(bits, outliers)),
  ),
};
