import { MEASURES, pruneProfile, type Measure, type Profile } from "@kvtuner/sensitivity";
import { z } from "zod";
import { planOfIds, type SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";

/** Schema of {@link Candidates}. */
export const candidatesSchema = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">) =>
  z.object({
    /** The error by which choices were compared. */
    measure: z.enum(MEASURES),
    /** Ids of all choices; candidates are indices into these. */
    choices: z.array(z.string()),
    /** Choices left to each layer. */
    candidates: z.array(z.array(z.int().min(0).lt(choices.length)).min(1)).length(shape.layers),
  });

/** `candidates.json`. */
export type Candidates = Stored<ReturnType<typeof candidatesSchema>>;

/** Drops, layer by layer, every choice that another beats in cost and in the measured error. */
export const pruneStep = (space: SearchSpace, profile: Profile, measure: Measure): Candidates => ({
  measure,
  choices: space.choices.map(({ id }) => id),
  candidates: pruneProfile(profile, measure).map((ids) => planOfIds(space, ids)),
});
