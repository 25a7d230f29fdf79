export type { AskTell, Evaluation, Genome } from "./ask-tell.ts";
export { SearchError } from "./search-error.ts";
export { constrainedDominates, dominates } from "./dominance.ts";
export { nonDominatedSort } from "./non-dominated-sort.ts";
export { crowdingDistance } from "./crowding.ts";
export { hypervolume } from "./hypervolume.ts";
export { createMoeaD, type MoeaDOptions, restoreMoeaD } from "./moead/moead.ts";
export type { PopulationOptions } from "./population-options.ts";
export { uniformGenomes } from "./uniform-genomes.ts";
export { createNsga2, type Nsga2Options, restoreNsga2 } from "./nsga2/nsga2.ts";
export {
  additiveFront,
  additiveFrontTable,
  type AdditiveProblem,
  type FrontPoint,
  type FrontTable,
} from "./additive-front/additive-front.ts";
export {
  createSurrogateSearch,
  restoreSurrogateSearch,
  type SurrogateSearch,
} from "./surrogate-search/surrogate-search.ts";
export { promisingWithin, type SurrogateTable } from "./surrogate-search/best-within.ts";
export type { SurrogateSearchOptions } from "./surrogate-search/problem.ts";
export type { CostInterest } from "./surrogate-search/cost-axis.ts";
