import { additiveFrontTable } from "../additive-front/additive-front.ts";
import type { Evaluation, Genome } from "../ask-tell.ts";
import { logOfLoss } from "./additive-features.ts";
import { fitBestModel } from "./choose-scales.ts";
import { type SurrogateProblem, surrogateProblem, type SurrogateSearchOptions } from "./problem.ts";
import type { ResidualModel } from "./residual-model.ts";

/** Costs and single losses of a surrogate search. */
export type SurrogateTable = Pick<SurrogateSearchOptions, "choices" | "costs" | "losses">;

/**
 * The genome with the least expected loss within a cost: the best sum of single losses, corrected by the results so far.
 * Undefined if it was evaluated already, or if an evaluated genome within that cost is expected to be as good. Called again after
 * each evaluation, it climbs to the best genome within the cost and stops there. Throws as `createSurrogateSearch` does.
 */
export const promisingWithin = (
  table: SurrogateTable,
  told: readonly Evaluation[],
  cost: number,
): Genome | undefined => {
  const problem = surrogateProblem({ ...table, seed: 0, evaluations: 1 });
  const observations = told.map(({ genome, objectives }) => ({
    genome,
    logLoss: logOfLoss(objectives[0]!, problem.single.floor),
  }));
  const model = fitBestModel(problem.single, observations);
  const genome = bestSumWithin(problem, model, cost);
  const within = observations.filter((one) => problem.costOf(one.genome) <= cost);
  if (genome === undefined || within.some((one) => one.genome.join() === genome.join())) return undefined;
  const least = within.reduce((smallest, { logLoss }) => Math.min(smallest, logLoss), Infinity);
  return model.predict(genome).mean < least ? genome : undefined;
};

const bestSumWithin = (
  { options: { costs }, resolution }: SurrogateProblem,
  model: ResidualModel,
  most: number,
): Genome | undefined => {
  const front = additiveFrontTable({ costs, losses: model.correctedLosses(), resolution });
  const index = front.costs.findLastIndex((cost) => cost <= most);
  return index < 0 ? undefined : front.genome(index);
};
