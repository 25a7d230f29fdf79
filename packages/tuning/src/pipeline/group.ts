import { groupLayers } from "@kvtuner/clustering";
import { lossVector, type Profile } from "@kvtuner/sensitivity";
import type { SearchSpace } from "../space/space.ts";

/** `groups.json`. */
export interface Groups {
  /** Layers that share one choice in strategy `nsga2-groups`; each layer is in exactly one. */
  readonly groups: readonly (readonly number[])[];
}

/**
 * Groups layers as in the paper: first by their set of candidates, then by DBSCAN (epsilon 0.05, two layers at least)
 * on the attention output errors of the candidates.
 */
export const groupStep = (
  { pairNames }: SearchSpace,
  profile: Profile,
  candidates: readonly (readonly number[])[],
): Groups => ({
  groups: groupLayers({
    features: profile.layers.map((layer, index) =>
      lossVector(
        layer,
        (candidates[index] ?? []).map((pair) => pairNames[pair] ?? ""),
      ),
    ),
    candidateKeys: candidates.map((pairs) => pairs.join(",")),
    method: { kind: "dbscan", epsilon: 0.05, minimumSamples: 2 },
  }),
});
