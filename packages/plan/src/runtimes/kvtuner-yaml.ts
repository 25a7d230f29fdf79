import { bitsOf, type TensorScheme } from "../codecs/registry.ts";
import { layerScheme, type Mode, type Pair } from "../mode.ts";
import type { Plan } from "../plan.ts";
import { exportPresetYaml } from "../preset-yaml.ts";
import { formatPair } from "../shorthand.ts";
import { nearest, type ExpressedPlan } from "./runtime-type.ts";

/** Bits of the paper's presets. */
const PRESET_BITS: readonly Pair["key"][] = [2, 4, 8, 16];

/** The paper's presets: a pair for each layer, in one of two modes, which the file's name states. */
export const expressAsPreset = (plan: Plan): ExpressedPlan => {
  const mode = modeOf(plan);
  const layers = plan.layers.map(({ key, value }) => {
    const pair = { key: presetBits(key), value: presetBits(value) };
    const name = formatPair(pair);
    return { keyType: name, valueType: name, ...layerScheme(mode, pair) };
  });
  return {
    layers,
    text: exportPresetYaml({ layers }),
    notes: [
      `The mode is ${mode}: put ${mode === "kivi" ? "kivi" : "pertoken"} into the file's name.`,
      ...(plan.layers.some(({ residency }) => residency.sinks > 0)
        ? ["The first tokens, which the plan keeps in 16 bits, are coded like all others."]
        : []),
      ...((plan.assets ?? []).length > 0 ? ["The plan's static tables are left out."] : []),
    ],
  };
};

/** The larger of two equally near widths. */
const presetBits = (scheme: TensorScheme): Pair["key"] =>
  nearest(PRESET_BITS.toReversed(), (bits) => Math.abs(bits - bitsOf(scheme)));

/** KIVI where most keys are coded by channel. */
const modeOf = ({ layers }: Plan): Mode => {
  const byChannel = layers.filter(({ key }) => "axis" in key && key.axis === "channel").length;
  return 2 * byChannel >= layers.length ? "kivi" : "per-token";
};
