import type { SearchSpace } from "@kvtuner/tuning";

/** A loss, three digits. */
export const klText = (kl: number): string => kl.toPrecision(3);

/** A share in percent. */
export const percentText = (share: number): string => `${(100 * share).toFixed(1)}%`;

/** A number of tokens. */
export const tokensText = (tokens: number): string => tokens.toLocaleString("en-US");

/** Bits per number. */
export const bitsText = (bits: number): string => bits.toFixed(3);

/** Labels of all choices. */
export const choiceLabels = ({ choices }: Pick<SearchSpace, "choices">): string[] => choices.map(({ label }) => label);

/** Labels of the choices that are shown one by one. */
export const shownLabels = ({
  space,
  shown,
}: {
  readonly space: Pick<SearchSpace, "choices">;
  readonly shown: readonly number[];
}): string[] => shown.map((choice) => space.choices[choice]!.label);

/** How often each pair occurs in a plan: `K8V4 x 12, K4V4 x 18`, in the order of `names`. */
export const pairCounts = (pairs: readonly string[], names: readonly string[]): string =>
  [...new Set([...names, ...pairs])]
    .map((name) => ({ name, count: pairs.filter((pair) => pair === name).length }))
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${name} x ${count}`)
    .join(", ");

/** Layers as ranges: `0-3, 7, 9-11`. */
export const layerRuns = (layers: readonly number[]): string => {
  const runs: [number, number][] = [];
  for (const layer of layers.toSorted((one, other) => one - other)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === layer - 1) last[1] = layer;
    else runs.push([layer, layer]);
  }
  return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ");
};
