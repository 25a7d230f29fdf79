import { calibrateTransform } from "../calibration/transform/calibrate-transform.ts";
import type { TransformForm } from "../calibration/transform/layer-tables.ts";
import type { TransformLayers } from "../calibration/transform/layers-at.ts";
import type { CalibratedSetting, Calibration, Method } from "./method.ts";

/** True bits at the context of the calibration, everything but the tables counted. */
const BITS = [2, 2.5, 3, 3.5, 4];

type AtBits = (bits: number) => TransformLayers;

/** Statistics of calibrations, by their samples: one backward pass serves all numbers of bits of a form. */
const known = new WeakMap<Calibration["samples"], Map<TransformForm, Promise<AtBits>>>();

const statistics = async (calibration: Calibration, form: TransformForm): Promise<AtBits> => {
  const own = known.get(calibration.samples) ?? new Map<TransformForm, Promise<AtBits>>();
  known.set(calibration.samples, own);
  const found = own.get(form) ?? calibrateTransform(calibration.model, calibration.samples, { ...calibration, form });
  own.set(form, found);
  // A later setting tries again.
  found.catch(() => own.delete(form));
  return found;
};

const setting = (form: TransformForm, bits: number): CalibratedSetting => ({
  label: `${form} ${bits}`,
  calibrate: async (calibration) => (await statistics(calibration, form))(bits),
});

/**
 * Transform coding by static tables from gradients: bits for each channel over all layers. Forms: `channels` codes key channels before RoPE
 * and rotates them at read; `folded` keys after RoPE, with nothing to do at read; `full` keys before RoPE in a basis of their own.
 */
export const transformMethod: Method = {
  name: "transform",
  title: "Transform coding",
  source: "https://doi.org/10.1109/79.952802",
  settings: (["channels", "folded", "full"] as const).flatMap((form) => BITS.map((bits) => setting(form, bits))),
};
