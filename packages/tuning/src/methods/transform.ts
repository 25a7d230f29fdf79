import { calibrateTransform } from "../calibration/transform/calibrate-transform.ts";
import type { TransformForm } from "../calibration/transform/layer-tables.ts";
import type { CalibratedSetting, Method } from "./method.ts";
import { oncePerSamples } from "./once-per-samples.ts";

/** True bits at the context of the calibration, everything but the tables counted. */
const BITS = [2, 2.5, 3, 3.5, 4];

const settingsOf = (form: TransformForm): CalibratedSetting[] => {
  const statistics = oncePerSamples((calibration) =>
    calibrateTransform(calibration.model, calibration.samples, { ...calibration, form }),
  );
  return BITS.map((bits) => ({
    label: `${form} ${bits}`,
    codec: "transform",
    calibrate: async (calibration) => (await statistics(calibration))(bits),
  }));
};

/**
 * Transform coding by static tables from gradients: bits for each channel over all layers. Forms: `channels` codes key channels before RoPE
 * and rotates them at read; `folded` keys after RoPE, with nothing to do at read; `full` keys before RoPE in a basis of their own.
 */
export const transformMethod: Method = {
  name: "transform",
  title: "Transform coding",
  source: "https://doi.org/10.1109/79.952802",
  settings: (["channels", "folded", "full"] as const).flatMap(settingsOf),
};
