import type { Mode } from "@kvtuner/plan";
import { type CodingDifficulty, type ModelDifficulty, NOISE_NATS } from "./model-difficulty.ts";

/** Bits at which layouts are compared: the fewest that keys usually get. */
const COMPARED_BITS = 4;

/**
 * Says which layers have difficult keys, which layouts to avoid, and whether `mode` suits the model; `undefined` when every
 * layout does.
 */
export const difficultyWarning = ({ codings }: ModelDifficulty, mode?: Mode): string | undefined => {
  const compared = codings.filter(({ bits }) => bits === COMPARED_BITS);
  const [bad, good] = [compared.filter(isDifficult), compared.filter((coding) => !isDifficult(coding))];
  if (bad.length === 0) return undefined;
  const layers = [...new Set(bad.flatMap(({ difficultLayers }) => difficultLayers))].toSorted((a, b) => a - b);
  const facts = `keys of ${layerList(layers)} are hard to quantize: predicted from the weights, ${bad.map(errorText).join(" and ")} would shift attention scores by ${NOISE_NATS} nat or more`;
  return `${facts}; ${advice(good, mode)}`;
};

const isDifficult = ({ difficultLayers }: CodingDifficulty): boolean => difficultLayers.length > 0;

const errorText = ({ name, worstError }: CodingDifficulty): string => `${name} (${worstError.toPrecision(2)})`;

const advice = (good: readonly CodingDifficulty[], mode?: Mode): string => {
  const own = good.find((coding) => coding.mode === mode && !coding.isRotated);
  if (own) return `mode ${own.mode} suits them (${own.worstError.toPrecision(2)})`;
  if (good.length > 0) return `use ${good.map(errorText).join(" or ")}`;
  return `no mode suits them at ${COMPARED_BITS} bits; give their keys more`;
};

/** Like `layers 0 to 2, 4 and 8`; `layer 3`. */
export const layerList = (layers: readonly number[]): string => {
  const runs: [number, number][] = [];
  for (const layer of layers) {
    const last = runs.at(-1);
    if (last && last[1] === layer - 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  const texts = runs.flatMap(([first, last]) =>
    last - first < 2
      ? Array.from({ length: last - first + 1 }, (_, index) => `${first + index}`)
      : [`${first} to ${last}`],
  );
  const list = texts.length > 1 ? `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}` : texts.join("");
  return `${layers.length === 1 ? "layer" : "layers"} ${list}`;
};
