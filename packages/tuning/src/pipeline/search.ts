import {
  createMoeaD,
  createNsga2,
  createSurrogateSearch,
  uniformGenomes,
  type AskTell,
  type Genome,
  type SurrogateSearch,
  type SurrogateTable,
} from "@kvtuner/search";
import { excessOf, type Limit } from "../limits/limits.ts";
import type { Callbacks } from "../progress.ts";
import { idsOf, planCost, searchCost, type CostTable, type SearchSpace } from "../space/space.ts";
import { planKey, type EvaluationEntry } from "./evaluation-entry.ts";
import type { Measurer } from "./measurer.ts";
import { baseObjective, objectivesOf, type Objective } from "./objectives/objectives.ts";

/**
 * How plans to evaluate can be chosen: around the additive surrogate's front (default), by NSGA-II over groups or layers, or by
 * MOEA/D over layers.
 */
export const STRATEGIES = ["surrogate", "nsga2-groups", "nsga2", "moead"] as const;

/** One of {@link STRATEGIES}. */
export type Strategy = (typeof STRATEGIES)[number];

/** Input of the search. */
export interface SearchInputs {
  readonly space: SearchSpace;
  /** Single-layer KL by layer and choice, nats a token. */
  readonly losses: readonly (readonly number[])[];
  /** Choices left to each layer. */
  readonly candidates: readonly (readonly number[])[];
  /** Layers that share one choice. */
  readonly groups: readonly (readonly number[])[];
}

/** Options of the search. */
export interface SearchOptions {
  readonly strategy: Strategy;
  readonly evaluations: number;
  readonly seed: number;
  /** Bytes at the context length near which to spend about a third of the evaluations; only with true costs. */
  readonly focus: number | undefined;
  readonly objective: Objective;
  /**
   * Whether the surrogate's search ends before all evaluations, once another batch is expected to lower the front's loss by less than
   * its standard error.
   */
  readonly stopsEarly: boolean;
  /** With a task objective, plans beyond this limit count as not allowed, as in the paper. */
  readonly limit: Limit;
}

/** Plans spread over the estimated front before a search may stop early. */
const LEAST_EVALUATIONS = 8;

/** Plans proposed together, so that their evaluations share the work of their first layers. */
const BATCH_SIZE = 6;

/** In a space with fewer plans than evaluations, a search proposes known plans forever. It stops after this many per evaluation. */
const PROPOSED_PER_EVALUATION = 20;

/**
 * Evaluates up to `evaluations` different plans. Plans that the journal holds are not evaluated again. The search receives the
 * same results in the same order, so a resumed run proposes the same plans as an uninterrupted one.
 */
export const runSearch = async (
  inputs: SearchInputs,
  options: SearchOptions,
  measurer: Measurer,
  { progress }: Callbacks,
): Promise<EvaluationEntry[]> => {
  const encoding = encodeSpace(inputs, options.strategy);
  const search = createSearch(inputs, encoding, options);
  const canStop = options.stopsEarly && options.strategy === "surrogate";
  const done = new Map<string, EvaluationEntry>();
  for (let proposed = 0; done.size < options.evaluations && proposed < options.evaluations * PROPOSED_PER_EVALUATION;) {
    const genomes = search.ask(Math.min(BATCH_SIZE, options.evaluations - done.size));
    if (genomes.length === 0) break;
    proposed += genomes.length;
    const plans = genomes.map(encoding.decode);
    const next = done.size + genomes.length;
    // A search that may stop expects the next batch to be its last.
    const total = canStop ? Math.min(options.evaluations, Math.max(2 * BATCH_SIZE, next)) : options.evaluations;
    await measurer.evaluate(plans, { done: done.size, total });
    const answers = plans.map((plan) => measurer.known.get(planKey(idsOf(inputs.space, plan))));
    search.tell(
      genomes.map((genome, index) => ({
        genome,
        ...scoresOf(inputs.space, plans[index] ?? [], answers[index], options),
      })),
    );
    for (const answer of answers) if (answer !== undefined) done.set(planKey(answer.choices), answer);
    if (canStop && isSettled(search, [...done.values()])) break;
    progress({ step: "search", done: done.size, total });
  }
  return [...done.values()];
};

/** Relative standard error of a loss where a single sample tells none. */
const UNKNOWN_ERROR = 0.05;

/** Whether another batch is expected to gain less than the standard error of the loss. */
const isSettled = (search: AskTell | SurrogateSearch, entries: readonly EvaluationEntry[]): boolean => {
  const gain = "expectedGain" in search ? search.expectedGain(BATCH_SIZE) : undefined;
  const relative = entries.flatMap(({ kl, klStandardError }) => (kl > 0 ? [klStandardError / kl] : []));
  const mean = relative.reduce((sum, error) => sum + error, 0) / relative.length;
  return gain !== undefined && gain < (mean > 0 ? mean : UNKNOWN_ERROR);
};

interface Encoding {
  /** Number of choices of each gene. */
  readonly choices: number[];
  /** The plan of a genome: choice indices by layer. */
  readonly decode: (genome: Genome) => number[];
}

const encodeSpace = ({ candidates, groups }: SearchInputs, strategy: Strategy): Encoding => {
  const genes = strategy === "nsga2-groups" ? groups : candidates.map((_, layer) => [layer]);
  const geneOfLayer = new Map(genes.flatMap((layers, gene) => layers.map((layer) => [layer, gene] as const)));
  return {
    choices: genes.map((layers) => candidates[layers[0] ?? 0]?.length ?? 0),
    decode: (genome) => candidates.map((kept, layer) => kept[genome[geneOfLayer.get(layer) ?? 0] ?? 0] ?? 0),
  };
};

const createSearch = (inputs: SearchInputs, { choices }: Encoding, options: SearchOptions): AskTell => {
  const { strategy, seed, evaluations, focus, objective } = options;
  const objectives = objectivesOf(objective).length + 1;
  const population = { choices, objectives, seed, populationSize: populationSizeFor(evaluations) };
  if (strategy === "moead") return createMoeaD(population);
  if (strategy !== "surrogate") return createNsga2({ ...population, initial: uniformGenomes(choices) });
  const { space, groups } = inputs;
  return createSurrogateSearch({
    choices,
    seed,
    evaluations,
    ...(options.stopsEarly && { first: LEAST_EVALUATIONS }),
    ...(focus !== undefined && space.cost === "true" && { focus: { cost: focus } }),
    groups: groups.map((layers) => [...layers]),
    ...surrogateTables(inputs, space.costs),
  });
};

/** Costs and single-layer losses of the choices left to each layer. */
export const surrogateTables = (
  { candidates, losses }: SearchInputs,
  costs: CostTable,
): Pick<SurrogateTable, "costs" | "losses"> => ({
  costs: candidates.map((kept, layer) => kept.map((choice) => costs[layer]?.[choice] ?? 0)),
  losses: candidates.map((kept, layer) => kept.map((choice) => Math.max(0, losses[layer]?.[choice] ?? 0))),
});

/** Small enough for about five generations, or turns of each subproblem; the first one is not bred. */
const populationSizeFor = (evaluations: number): number => Math.min(50, Math.max(8, Math.round(evaluations / 5)));

/**
 * The result that a search receives for a plan. The surrogate needs losses that nearly add up, so it always receives the base
 * objective. Other strategies receive the losses that decide and, with a task, the amount by which the plan exceeds the limit.
 */
const scoresOf = (
  space: SearchSpace,
  plan: readonly number[],
  entry: EvaluationEntry | undefined,
  { strategy, objective, limit }: SearchOptions,
): { objectives: number[]; constraintViolation?: number } => {
  const kinds = strategy === "surrogate" ? [baseObjective] : objectivesOf(objective);
  const [first = Number.NaN, ...others] = kinds.map((kind) => (entry ? kind.loss(entry) : Number.NaN));
  const objectives = [first, searchCost(space, plan), ...others];
  if (!kinds.some((kind) => kind.needsTask)) return { objectives };
  return { objectives, constraintViolation: excessOf(limit, planCost(space, plan)) };
};
