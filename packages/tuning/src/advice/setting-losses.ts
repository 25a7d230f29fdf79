import { FLOAT16, type LayerScheme } from "@kvtuner/plan";
import { createEstimateSum } from "@kvtuner/sensitivity";
import { EXACT } from "../space/halves.ts";
import type { TunableModel } from "../tunable-model.ts";

/** Keys, or values, of a layer as some setting stores them, and the sum of what they lose. */
interface Half {
  readonly scheme: LayerScheme;
  readonly sum: ReturnType<typeof createEstimateSum>;
}

/** One draw ranks settings well enough: the best are measured. */
const DRAWS = 1;

/**
 * Estimated KL of settings layer by layer, `[setting][layer]`, from one backward pass over a sample. Keys and values are estimated
 * apart and added; settings share them.
 */
export const settingLosses = async (
  gradients: NonNullable<TunableModel["gradients"]>,
  sample: Int32Array,
  settings: readonly (readonly LayerScheme[])[],
  { seed, signal, onLayer }: { seed: number; signal?: AbortSignal | undefined; onLayer: (done: number) => void },
): Promise<number[][]> => {
  const halves = (settings[0] ?? []).map((_, layer) =>
    halvesOf(
      settings.map((layers) => layers[layer]!),
      sample.length,
    ),
  );
  let done = 0;
  const options = { draws: DRAWS, seed, counts: () => true, ...(signal && { signal }) };
  await gradients([sample], options, async ({ layer, isOwn, attend, gradients: own }) => {
    signal?.throwIfAborted();
    const exact = await attend(EXACT);
    for (const { scheme, sum } of halves[layer]!.values())
      sum.add({ exact, output: await attend(scheme), gradients: own });
    if (isOwn) onLayer(++done);
  });
  return settings.map((layers) =>
    layers.map((scheme, layer) =>
      splitOf(scheme).reduce((sum, half) => sum + (halves[layer]!.get(idOf(half))?.sum.result().kl[0] ?? 0), 0),
    ),
  );
};

const splitOf = (scheme: LayerScheme): LayerScheme[] => [
  { ...scheme, value: FLOAT16 },
  { ...scheme, key: FLOAT16 },
];

const isExact = ({ key, value }: LayerScheme): boolean => key.kind === "float16" && value.kind === "float16";

const idOf = (scheme: LayerScheme): string => JSON.stringify(scheme);

const halvesOf = (schemes: readonly LayerScheme[], tokens: number): Map<string, Half> =>
  new Map(
    schemes
      .flatMap(splitOf)
      .filter((half) => !isExact(half))
      .map((scheme) => [idOf(scheme), { scheme, sum: createEstimateSum(tokens, DRAWS) }]),
  );
