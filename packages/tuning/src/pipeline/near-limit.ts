import { promisingWithin, type Evaluation, type SurrogateTable } from "@kvtuner/search";
import { allowedCost, type AllowedCost, type Limit } from "../limits/limits.ts";
import { dearestPlan, planOfIds, type SearchSpace } from "../space/space.ts";
import type { EvaluationEntry } from "./evaluation-entry.ts";
import type { Measurer } from "./measurer.ts";
import { baseObjective } from "./objectives/objectives.ts";
import { surrogateTables, type SearchInputs } from "./search.ts";

/** Maximum number of plans evaluated within a limit. The surrogate is rarely wrong more often. */
const MOST_PLANS = 8;

/**
 * Evaluates more plans within a limit of cost, also after the search is done: the search spreads its evaluations, but a user
 * with a budget wants the best plan within it. Each plan is the one that the surrogate, corrected by all evaluations so far,
 * expects to lose least. Stops when it expects no better plan, or when `isEnough` says so. The plans do not depend on the order
 * of earlier evaluations, so a resumed run evaluates the same ones.
 */
export const evaluateWithin = async (
  inputs: SearchInputs,
  limit: Limit,
  measurer: Measurer,
  isEnough: () => boolean,
): Promise<void> => {
  const allowed = allowedCost(limit, inputs.space);
  if (allowed === undefined) return;
  const table = tableOf(inputs, allowed);
  for (let plans = 0; plans < MOST_PLANS && !isEnough(); plans++) {
    const genome = promisingWithin(table, knownGenomes(inputs, measurer), allowed.most);
    if (genome === undefined) return;
    await measurer.evaluate([planOfGenome(inputs, genome)], ONE);
  }
};

const ONE = { done: 0, total: 1 };

/** Evaluates the largest choice of every layer: the plan most likely to lose as little as a user allows. */
export const evaluateBest = async (space: SearchSpace, measurer: Measurer): Promise<void> => {
  await measurer.evaluate([dearestPlan(space.bytes)], ONE);
};

const tableOf = (inputs: SearchInputs, { costs }: AllowedCost): SurrogateTable => ({
  choices: inputs.candidates.map((kept) => kept.length),
  ...surrogateTables(inputs, costs),
});

const planOfGenome = ({ candidates }: SearchInputs, genome: readonly number[]): number[] =>
  candidates.map((kept, layer) => kept[genome[layer] ?? 0] ?? 0);

/** The evaluated plans, ordered by key, without those that use pruned choices. */
const knownGenomes = ({ space, candidates }: SearchInputs, { known }: Measurer): Evaluation[] =>
  [...known]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, entry]) => ({ genome: genomeOf(space, candidates, entry), objectives: [baseObjective.loss(entry), 0] }))
    .filter(({ genome }) => !genome.includes(-1));

const genomeOf = (space: SearchSpace, candidates: SearchInputs["candidates"], { choices }: EvaluationEntry): number[] =>
  planOfIds(space, choices).map((choice, layer) => candidates[layer]?.indexOf(choice) ?? -1);
