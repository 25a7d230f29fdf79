import { pruneProfile, type Measure, type Profile } from "@kvtuner/sensitivity";
import type { SearchSpace } from "../space/space.ts";

/** `candidates.json`. */
export interface Candidates {
  /** What pairs were compared by. */
  readonly measure: Measure;
  /** Names of all pairs; candidates are indices into these. */
  readonly pairs: readonly string[];
  /** Pairs left to each layer. */
  readonly candidates: readonly (readonly number[])[];
}

/** Drops, layer by layer, every pair that another beats in cost and in the measured error. */
export const pruneStep = (space: SearchSpace, profile: Profile, measure: Measure): Candidates => ({
  measure,
  pairs: space.pairNames,
  candidates: pruneProfile(profile, measure).map((names) => names.map((name) => space.pairNames.indexOf(name))),
});
