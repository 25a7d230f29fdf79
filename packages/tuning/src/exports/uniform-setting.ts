import type { Plan } from "@kvtuner/plan";
import { type Runtime, UNQUANTIZED } from "../runtimes/runtime.ts";
import { distanceOver, fits, lostParts, nearest, type ExpressedPlan } from "./expressed-plan.ts";

/** The nearest of a runtime's settings, which hold for all layers. */
export const expressAsSetting =
  (runtime: Runtime, unquantized: string, notes: readonly string[]) =>
  (plan: Plan): ExpressedPlan => {
    const sixteen = { label: "16 bits", layers: plan.layers.map(() => UNQUANTIZED), paste: unquantized };
    const settings = runtime.settings({ shape: plan.shape, ranges: [] }).filter(({ layers }) => fits(plan, layers));
    const { label, layers, paste } = nearest([sixteen, ...settings], (setting) => distanceOver(plan, setting.layers));
    return {
      layers,
      types: layers.map(() => label),
      text: `${paste}\n`,
      notes: [...notes, ...lostParts(plan, layers)],
    };
  };
