import type { Asset } from "../asset.ts";
import type { Heads } from "./codec-format.ts";

/** Fields of schemes that can code keys before their rotary position embedding (RoPE). */
export interface RopeFields {
  /** `before-rope` turns keys back by their position before coding, and forward again when they are read. */
  readonly stage: "as-given" | "before-rope";
  /** Asset: float32 `[pairs]`, radians a token of each pair of channels; `none` for keys as given. */
  readonly frequencies: string;
  /** The channels of pair `i`: `i` and `i + pairs`, or `2i` and `2i + 1`. Channels after the pairs are not turned. */
  readonly pairing: "none" | "halves" | "neighbours";
}

/** What is wrong with the fields of a scheme; continues "expected layer 3 ...". */
export const ropeFault = ({ stage, frequencies, pairing }: RopeFields): string | undefined => {
  const isTurned = stage === "before-rope";
  return isTurned === (frequencies !== "none") && isTurned === (pairing !== "none")
    ? undefined
    : `to have frequencies and a pairing with stage before-rope, and only then; got ${frequencies} and ${pairing} with ${stage}`;
};

/** What is wrong with the frequencies of a scheme, if it names some; continues "expected assets for ...". */
export const ropeAssetFault = (frequencies: Asset | undefined, { headSize }: Heads): string | undefined => {
  if (!frequencies) return undefined;
  const { name, dtype, shape, data } = frequencies;
  if (dtype !== "float32" || shape.length !== 1 || 2 * shape[0]! > headSize)
    return `to have frequencies of float32 [pairs] with at most ${headSize / 2} pairs, got ${name} of ${dtype} [${shape.join(", ")}]`;
  const wrong = data.findIndex((frequency) => !Number.isFinite(frequency));
  return wrong < 0 ? undefined : `to have finite frequencies, got ${data[wrong]} at index ${wrong} of ${name}`;
};
