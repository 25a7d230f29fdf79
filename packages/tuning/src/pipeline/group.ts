import { groupLayers } from "@kvtuner/clustering";
import { lossVector, type Measure, type Profile } from "@kvtuner/sensitivity";
import { z } from "zod";
import { idsOf, type SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import { tracesErrors } from "./trace.ts";

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
 * on the attention output errors of the candidates. With estimated KL, on its root relative to the largest, which grows with the
 * error as they do and has no unit either.
 */
export const groupStep = (
  space: SearchSpace,
  profile: Profile,
  candidates: readonly (readonly number[])[],
  measure: Measure,
): Groups => {
  const by = measure === "gradient" || !tracesErrors(space) ? measure : "eo";
  const losses = profile.layers.map((layer, index) => lossVector(layer, idsOf(space, candidates[index] ?? []), by));
  return {
    groups: groupLayers({
      features: by !== "eo" ? relativeRoots(losses) : losses,
      candidateKeys: candidates.map((choices) => choices.join(",")),
      method: { kind: "dbscan", epsilon: 0.05, minimumSamples: 2 },
    }),
  };
};

const relativeRoots = (losses: readonly (readonly number[])[]): number[][] => {
  const largest = Math.max(...losses.flat(), Number.MIN_VALUE);
  return losses.map((own) => own.map((loss) => Math.sqrt(loss / largest)));
};
