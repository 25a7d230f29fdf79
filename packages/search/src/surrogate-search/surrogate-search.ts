import { askTellOf } from "../ask-tell-of.ts";
import type { AskTell, Evaluation, Genome } from "../ask-tell.ts";
import { createArchive, type GenomeArchive, genomeKey } from "../genome-archive.ts";
import { badCheckpoint } from "../population-options.ts";
import { randomFromSeed } from "../random.ts";
import { spreadOverFront } from "./front-candidates.ts";
import { createGroupedNsga2, restoreGroupedNsga2 } from "./grouped-nsga2.ts";
import { type SurrogateProblem, surrogateProblem, type SurrogateSearchOptions } from "./problem.ts";
import { type Refinement, refine } from "./refinement.ts";

/** Ask and tell, with figures on the surrogate. */
export interface SurrogateSearch extends AskTell {
  /** Rank correlation of observed losses with those predicted from all others; undefined until there are enough. */
  agreement(): number | undefined;
  /**
   * What the next `count` evaluations are expected to gain together: the fall of the logarithm of loss below lines between the genomes known, averaged
   * over all costs. 0 if nothing promises more; undefined until there are enough results, and after the surrogate was abandoned.
   */
  expectedGain(count: number): number | undefined;
  /** "surrogate", or "nsga2" after the surrogate was abandoned. */
  strategy(): "surrogate" | "nsga2";
}

interface State {
  readonly archive: GenomeArchive;
  readonly told: Evaluation[];
  pending: Genome[];
  fallback: AskTell | undefined;
  /** Values computed from the results so far, until more arrive. */
  refinement: Refinement | undefined;
}

/**
 * The default strategy for losses that nearly add up. A quarter of the evaluations goes to genomes spread evenly over the
 * exact front of the summed single losses. Each further genome is that of greatest expected gain in hypervolume (logarithm
 * of loss against cost) under a model that corrects the sums by the results so far. If predicted and observed losses no longer
 * rank alike, NSGA-II over groups takes over. The second objective of results is ignored: costs come from the table.
 * Throws `SEARCH_BAD_CHOICES`, `SEARCH_BAD_COSTS`, `SEARCH_BAD_LOSSES`, `SEARCH_BAD_OPTIONS`; `tell` throws
 * `SEARCH_BAD_EVALUATION`.
 */
export const createSurrogateSearch = (options: SurrogateSearchOptions): SurrogateSearch => {
  const archive = createArchive(options.choices);
  const state: State = { archive, told: [], pending: [], fallback: undefined, refinement: undefined };
  return searchFrom(surrogateProblem(options), state);
};

/** The search that a checkpoint of `createSurrogateSearch` came from, as it was. Throws `SEARCH_BAD_CHECKPOINT`. */
export const restoreSurrogateSearch = (checkpoint: unknown): SurrogateSearch => {
  if (!isCheckpoint(checkpoint)) throw badCheckpoint("createSurrogateSearch");
  const { options, told, pending, fallback } = checkpoint;
  return searchFrom(surrogateProblem(options), {
    archive: createArchive(options.choices, [...told.map(({ genome }) => genome), ...pending]),
    told: [...told],
    pending: [...pending],
    fallback: fallback === null ? undefined : restoreGroupedNsga2(fallback, groupsOf(options)),
    refinement: undefined,
  });
};

const searchFrom = (problem: SurrogateProblem, state: State): SurrogateSearch => ({
  ...askTellOf({
    choices: problem.options.choices,
    objectives: 2,
    askedAtOnce: 1,
    next: () => nextGenome(problem, state),
    asked: (genome) => {
      state.archive.add(genome);
      state.pending.push(genome);
    },
    admit: (evaluations) => {
      for (const evaluation of evaluations) admit(withCostOfTable(problem, evaluation), state);
      if (evaluations.length > 0) state.refinement = undefined;
    },
    checkpoint: () => checkpointOf(problem.options, state),
  }),
  agreement: () => (enoughTold(problem, state) ? refinementOf(problem, state).agreement : undefined),
  expectedGain: (count) => {
    if (surrogateFails(problem, state) || !enoughTold(problem, state)) return undefined;
    const unseen = (genome: Genome): boolean => !state.archive.has(genome);
    if (firstGenomes(problem).some(unseen)) return undefined;
    return refinementOf(problem, state).gain(count, unseen);
  },
  strategy: () => (state.fallback ? "nsga2" : "surrogate"),
});

const withCostOfTable = (problem: SurrogateProblem, evaluation: Evaluation): Evaluation => ({
  ...evaluation,
  objectives: [evaluation.objectives[0]!, problem.costOf(evaluation.genome)],
});

const admit = (evaluation: Evaluation, state: State): void => {
  const key = genomeKey(evaluation.genome);
  state.archive.add(evaluation.genome);
  state.told.push(evaluation);
  state.pending = state.pending.filter((genome) => genomeKey(genome) !== key);
  state.fallback?.tell([evaluation]);
};

const nextGenome = (problem: SurrogateProblem, state: State): Genome | undefined => {
  const unseen = (genome: Genome): boolean => !state.archive.has(genome);
  return (
    firstGenomes(problem).find(unseen) ??
    (surrogateFails(problem, state) ? fallbackOf(problem, state).ask(1).find(unseen) : undefined) ??
    (state.fallback ? undefined : refinementOf(problem, state).next(state.pending, unseen)) ??
    state.archive.drawUnseen(randomFromSeed((problem.options.seed + state.told.length + state.pending.length) | 0))
  );
};

const firstGenomesByProblem = new WeakMap<SurrogateProblem, Genome[]>();

/** A quarter of the evaluations, at least 8: fewer can't tell a bend from a bad surrogate. */
const firstGenomes = (problem: SurrogateProblem): Genome[] => {
  const known = firstGenomesByProblem.get(problem);
  if (known) return known;
  const genomes = spreadOverFront(problem, problem.single.losses, firstCount(problem.options));
  firstGenomesByProblem.set(problem, genomes);
  return genomes;
};

const LEAST_FIRST = 8;

const firstCount = ({ evaluations, first = Math.round(evaluations / 4) }: SurrogateSearchOptions): number =>
  Math.min(evaluations, Math.max(LEAST_FIRST, first));

const enoughTold = (problem: SurrogateProblem, { told }: State): boolean =>
  told.length >= Math.max(LEAST_FIRST, firstCount(problem.options) / 2);

const refinementOf = (problem: SurrogateProblem, state: State): Refinement =>
  (state.refinement ??= refine(problem, state.told));

const DEFAULT_MINIMUM_AGREEMENT = 0.7;

const surrogateFails = (problem: SurrogateProblem, state: State): boolean => {
  if (state.fallback) return true;
  const { minimumAgreement = DEFAULT_MINIMUM_AGREEMENT } = problem.options;
  return enoughTold(problem, state) && refinementOf(problem, state).agreement < minimumAgreement;
};

const fallbackOf = (problem: SurrogateProblem, state: State): AskTell => {
  const { choices, seed, evaluations } = problem.options;
  const { told, pending } = state;
  const populationSize = Math.min(50, Math.max(8, Math.round((evaluations - told.length) / 5)));
  const options = { choices, groups: groupsOf(problem.options), seed, populationSize, told, pending };
  return (state.fallback ??= createGroupedNsga2(options));
};

const groupsOf = ({ groups, choices }: SurrogateSearchOptions): readonly (readonly number[])[] =>
  groups ?? [...choices.keys()].map((gene) => [gene]);

interface SurrogateCheckpoint {
  readonly format: "kvtuner-surrogate-search";
  readonly version: 1;
  readonly options: SurrogateSearchOptions;
  readonly told: readonly Evaluation[];
  readonly pending: readonly Genome[];
  readonly fallback: unknown;
}

const checkpointOf = (options: SurrogateSearchOptions, state: State): SurrogateCheckpoint => ({
  format: "kvtuner-surrogate-search",
  version: 1,
  options,
  told: [...state.told],
  pending: [...state.pending],
  fallback: state.fallback?.checkpoint() ?? null,
});

const isCheckpoint = (value: unknown): value is SurrogateCheckpoint => {
  const candidate = value as Partial<SurrogateCheckpoint> | null | undefined;
  return candidate?.format === "kvtuner-surrogate-search" && candidate.version === 1 && isWhole(candidate);
};

const isWhole = ({ options, told, pending, fallback }: Partial<SurrogateCheckpoint>): boolean =>
  Array.isArray(options?.choices) && Array.isArray(told) && Array.isArray(pending) && fallback !== undefined;
