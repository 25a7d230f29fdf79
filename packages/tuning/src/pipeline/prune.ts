import { pruneProfile, type Measure, type Profile } from "@kvtuner/sensitivity";
import { z } from "zod";
import type { SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";

/** Schema of {@link Candidates}. */
export const candidatesSchema = ({ shape, pairNames }: Pick<SearchSpace, "shape" | "pairNames">) =>
  z.object({
    /** The error by which pairs were compared. */
    measure: z.enum(["kl", "eo"]),
    /** Names of all pairs; candidates are indices into these. */
    pairs: z.array(z.string()),
    /** Pairs left to each layer. */
    candidates: z.array(z.array(z.int().min(0).lt(pairNames.length)).min(1)).length(shape.layers),
  });

/** `candidates.json`. */
export type Candidates = Stored<ReturnType<typeof candidatesSchema>>;

/** Drops, layer by layer, every pair that another beats in cost and in the measured error. */
export const pruneStep = (space: SearchSpace, profile: Profile, measure: Measure): Candidates => ({
  measure,
  pairs: space.pairNames,
  candidates: pruneProfile(profile, measure).map((names) => names.map((name) => space.pairNames.indexOf(name))),
});
