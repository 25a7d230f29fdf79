import { bitsOf, formatPair, layerScheme, type Mode, type Pair, type Plan, type TensorScheme } from "@kvtuner/plan";
import { exportPresetYaml } from "@kvtuner/plan/files";
import { lostParts, nearest, type ExpressedPlan } from "./expressed-plan.ts";

/** Bits of the paper's presets. */
const PRESET_BITS: readonly Pair["key"][] = [2, 4, 8, 16];

/** The paper's presets: a pair for each layer, in one of two modes, which the file's name states. */
export const expressAsPreset = (plan: Plan): ExpressedPlan => {
  const mode = modeOf(plan);
  const pairs = plan.layers.map(({ key, value }) => ({ key: presetBits(key), value: presetBits(value) }));
  const layers = pairs.map((pair) => layerScheme(mode, pair));
  return {
    layers,
    types: pairs.map(formatPair),
    text: exportPresetYaml({ layers }),
    notes: [
      `The mode is ${mode}: put ${mode === "kivi" ? "kivi" : "pertoken"} into the file's name.`,
      ...lostParts(plan, layers),
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
