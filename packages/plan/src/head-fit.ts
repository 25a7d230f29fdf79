import type { Heads } from "./codecs/codec-format.ts";
import { schemeFault } from "./codecs/registry.ts";
import { KvtunerError } from "./error.ts";
import { layerScheme, MODES, type Mode } from "./mode.ts";
import type { LayerScheme } from "./scheme.ts";

/** Modes that heads of this size can be stored in. */
export const modesFor = (headSize: number): Mode[] =>
  MODES.filter((mode) => headFault(layerScheme(mode, { key: 4, value: 4 }), { kvHeads: 1, headSize }) === undefined);

/**
 * Checks that the keys and the values of a layer's heads can be stored by its scheme, before a plan of it is made.
 *
 * @throws HeadFitError naming the modes that heads of this size can be stored in
 */
export const assertHeadFits = (layer: LayerScheme, heads: Heads): void => {
  const fault = headFault(layer, heads);
  if (fault !== undefined) throw new HeadFitError(fault, heads.headSize);
};

const headFault = (layer: LayerScheme, heads: Heads): string | undefined => {
  const faults = (["key", "value"] as const).map((tensor) => ({ tensor, fault: schemeFault(layer[tensor], heads) }));
  const found = faults.find(({ fault }) => fault !== undefined);
  return found && `${found.tensor}s ${found.fault}`;
};

/** Heads that a scheme cannot store, such as heads smaller than its groups. */
class HeadFitError extends KvtunerError {
  constructor(fault: string, headSize: number) {
    super("HEAD_TOO_SMALL", `expected ${fault}; use mode ${modesFor(headSize).join(" or ")}`);
    this.name = "HeadFitError";
  }
}
