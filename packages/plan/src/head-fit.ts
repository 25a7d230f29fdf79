import type { TensorScheme } from "./codecs/registry.ts";
import { KvtunerError } from "./error.ts";
import { layerScheme, MODES, type Mode } from "./mode.ts";
import type { LayerScheme } from "./scheme.ts";

/** Modes that heads of this size can be stored in. */
export const modesFor = (headSize: number): Mode[] =>
  MODES.filter((mode) => smallestHead(layerScheme(mode, { key: 4, value: 4 })) <= headSize);

/**
 * Checks that a head holds at least one whole group of a layer's keys and of its values.
 *
 * @throws HeadSizeError naming the modes that heads of this size can be stored in
 */
export const assertHeadFits = (layer: LayerScheme, headSize: number): void => {
  const smallest = smallestHead(layer);
  if (headSize < smallest) throw new HeadSizeError(smallest, headSize);
};

const smallestHead = ({ key, value }: LayerScheme): number => Math.max(groupOf(key), groupOf(value));

/** Groups along the tokens of a channel do not depend on the head size. */
const groupOf = (scheme: TensorScheme): number =>
  scheme.kind === "affine" && scheme.axis === "token" && scheme.groupSize !== "head" ? scheme.groupSize : 1;

/** A head smaller than a group of its scheme. */
class HeadSizeError extends KvtunerError {
  constructor(groupSize: number, headSize: number) {
    super(
      "HEAD_TOO_SMALL",
      `expected heads of at least ${groupSize} numbers, the size of a group, got heads of ${headSize}; ` +
        `use mode ${modesFor(headSize).join(" or ")}`,
    );
    this.name = "HeadSizeError";
  }
}
