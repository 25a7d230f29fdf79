import { calibrateCodebook } from "../calibration/codebook/calibrate-codebook.ts";
import type { CodebookSetting } from "../calibration/codebook/codebook-layer.ts";
import type { CalibratedSetting, Method } from "./method.ts";
import { oncePerSamples } from "./once-per-samples.ts";

const statistics = oncePerSamples(({ model, samples, seed, callbacks }) =>
  calibrateCodebook(model, samples, { seed, callbacks }),
);

const setting = (bits: CodebookSetting["bits"], outliers: CodebookSetting["outliers"]): CalibratedSetting => ({
  label: `nuq${bits}${outliers > 0 ? `-${outliers * 100}%` : ""}`,
  codec: "codebook",
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
