import { groupLayers } from "@kvtuner/clustering";
import { lossVector, type Measure, type Profile } from "@kvtuner/sensitivity";
import { z } from "zod";
import { idsOf, type SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";

/** Schema of {@link Groups}. */
export const groupsSchema = ({ shape }: Pick<SearchSpace, "shape">) =>
  z.object({
    /** Layers that share one choice in strategy `nsga2-groups`; each layer is in exactly one. */
    groups: z.array(z.array(z.int().min(0).lt(shape.layers)).min(1)).min(1),
  });

/** `groups.json`. */
export type Groups = Stored<ReturnType<typeof groupsSchema>>;

/**
 * Groups layers as in the paper: first by their set of candidates, then by DBSCAN (epsilon 0.05, two layers at least)
 * on the attention output errors of the candidates. With estimated KL, on its root, which grows with the error as they do.
 */
export const groupStep = (
  space: SearchSpace,
  profile: Profile,
  candidates: readonly (readonly number[])[],
  measure: Measure,
): Groups => ({
  groups: groupLayers({
    features: profile.layers.map((layer, index) => {
      const ids = idsOf(space, candidates[index] ?? []);
      return measure === "gradient" ? lossVector(layer, ids, measure).map(Math.sqrt) : lossVector(layer, ids);
    }),
    candidateKeys: candidates.map((choices) => choices.join(",")),
    method: { kind: "dbscan", epsilon: 0.05, minimumSamples: 2 },
  }),
});
