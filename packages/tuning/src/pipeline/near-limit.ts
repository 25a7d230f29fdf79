import { promisingWithin, type Evaluation, type SurrogateTable } from "@kvtuner/search";
import { allowedCost, type AllowedCost, type Limit } from "../limits/limits.ts";
import type { SearchSpace } from "../space/space.ts";
import type { EvaluationEntry } from "./evaluation-entry.ts";
import type { Measurer } from "./measurer.ts";
import { choiceOf } from "./pick.ts";
import type { SearchInputs } from "./search.ts";

/** Plans evaluated within a limit at most: the surrogate is seldom wrong more often, and a study must end. */
const MOST_PLANS = 8;

/**
 * The search spreads its evaluations; a user with a budget wants the best plan within it, also of a study whose search
 * is done. So where the limit is one of cost, the plan within it that the surrogate, corrected by all that was evaluated,
 * expects to lose least is evaluated too, and again with that answer, until it expects no better one, or `isEnough` says so.
 * What it asks for depends on what is known and not on its order, so that a run that was stopped goes on the same way.
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
    await measurer.evaluate([choiceOfGenome(inputs, genome)], ONE);
  }
};

const ONE = { done: 0, total: 1 };

/** Evaluates the largest pair in every layer: the plan most likely to lose as little as a user allows. */
export const evaluateBest = async (space: SearchSpace, measurer: Measurer): Promise<void> => {
  const largest = space.layerBytes.indexOf(Math.max(...space.layerBytes));
  await measurer.evaluate([Array<number>(space.shape.layers).fill(largest)], ONE);
};

const tableOf = ({ candidates, losses }: SearchInputs, { costs }: AllowedCost): SurrogateTable => ({
  choices: candidates.map((pairs) => pairs.length),
  costs: candidates.map((pairs) => pairs.map((pair) => costs[pair] ?? 0)),
  losses: candidates.map((pairs, layer) => pairs.map((pair) => Math.max(0, losses[layer]?.[pair] ?? 0))),
});

const choiceOfGenome = ({ candidates }: SearchInputs, genome: readonly number[]): number[] =>
  candidates.map((pairs, layer) => pairs[genome[layer] ?? 0] ?? 0);

/** What was evaluated, in an order of its own; without plans of pairs that were pruned. */
const knownGenomes = ({ space, candidates }: SearchInputs, { known }: Measurer): Evaluation[] =>
  [...known]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([, entry]) => ({ genome: genomeOf(space, candidates, entry), objectives: [entry.kl, 0] }))
    .filter(({ genome }) => !genome.includes(-1));

const genomeOf = (space: SearchSpace, candidates: SearchInputs["candidates"], { pairs }: EvaluationEntry): number[] =>
  choiceOf(space, pairs).map((pair, layer) => candidates[layer]?.indexOf(pair) ?? -1);
