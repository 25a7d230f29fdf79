import { askTellOf } from "../ask-tell-of.ts";
import type { AskTell, Evaluation, Genome } from "../ask-tell.ts";
import { createArchive, type GenomeArchive, genomeKey } from "../genome-archive.ts";
import { crossover, mutate, unseenOf } from "../operators.ts";
import {
  badCheckpoint,
  badOptions,
  assertPopulationOptions,
  DEFAULT_POPULATION_SIZE,
  type PopulationOptions,
} from "../population-options.ts";
import { type Random, randomFromSeed, randomFromState } from "../random.ts";
import { rangeOf, serves } from "./subproblems.ts";
import { neighbourhoods, spreadWeights } from "./weights.ts";

/** Options of MOEA/D. `populationSize` is the maximum number of subproblems; with two objectives, their number. */
export interface MoeaDOptions extends PopulationOptions {
  /** Subproblems that breed with each other and share results, from 2; a fifth of them by default. */
  readonly neighbours?: number;
}

interface MoeaDState {
  readonly random: Random;
  readonly archive: GenomeArchive;
  /** Genomes proposed so far, each for the subproblem whose turn it was. */
  asked: number;
  /** Subproblems of pending genomes, by genome. */
  readonly pending: Map<string, number>;
  /** The smallest result of each objective, undefined before the first. */
  ideal: readonly number[] | undefined;
  /** The best of each subproblem, undefined before the first. */
  readonly incumbents: (Evaluation | undefined)[];
}

interface Decomposition {
  readonly weights: readonly (readonly number[])[];
  readonly neighbours: readonly (readonly number[])[];
}

/**
 * MOEA/D (Zhang and Li, MOEA/D: a multiobjective evolutionary algorithm based on decomposition, 2007) over integer genes:
 * weight vectors spread over the simplex, each a subproblem by Tchebycheff's decomposition with objectives as shares of their
 * range. Subproblems have turns; a child of two neighbours' genomes replaces those of the neighbours that it serves at least
 * as well. A result that was never requested is offered to all. Throws `SEARCH_BAD_CHOICES`, `SEARCH_BAD_OPTIONS`; `tell` throws
 * `SEARCH_BAD_EVALUATION`.
 */
export const createMoeaD = (options: MoeaDOptions): AskTell => {
  const archive = createArchive(options.choices, options.exclude);
  assertPopulationOptions(options, "createMoeaD");
  assertNeighbours(options);
  return searchFrom(options, {
    random: randomFromSeed(options.seed),
    archive,
    asked: 0,
    pending: new Map(),
    ideal: undefined,
    incumbents: [],
  });
};

/** The search that a checkpoint of `createMoeaD` came from, in the state it was in. Throws `SEARCH_BAD_CHECKPOINT`. */
export const restoreMoeaD = (checkpoint: unknown): AskTell => {
  if (!isCheckpoint(checkpoint)) throw badCheckpoint("createMoeaD");
  const { options, random, seen, asked, pending, ideal, incumbents } = checkpoint;
  return searchFrom(options, {
    random: randomFromState(random),
    archive: createArchive(options.choices, seen),
    asked,
    pending: new Map(pending),
    ideal: ideal ?? undefined,
    incumbents: incumbents.map((incumbent) => incumbent ?? undefined),
  });
};

const searchFrom = (options: MoeaDOptions, state: MoeaDState): AskTell => {
  const { choices, objectives } = options;
  const decomposition = decompositionOf(options);
  return askTellOf({
    choices,
    objectives,
    askedAtOnce: decomposition.weights.length,
    next: () => nextGenome(options, decomposition, state),
    asked: (genome) => {
      state.archive.add(genome);
      state.pending.set(genomeKey(genome), turnOf(decomposition, state));
      state.asked++;
    },
    admit: (evaluations) => {
      for (const evaluation of evaluations) admit(evaluation, decomposition, state);
    },
    checkpoint: () => checkpointOf(options, state),
  });
};

const decompositionOf = ({
  objectives,
  populationSize = DEFAULT_POPULATION_SIZE,
  neighbours,
}: MoeaDOptions): Decomposition => {
  const weights = spreadWeights(objectives, populationSize);
  const count = neighbours ?? Math.max(2, Math.round(weights.length / 5));
  return { weights, neighbours: neighbourhoods(weights, count) };
};

const turnOf = ({ weights }: Decomposition, { asked }: MoeaDState): number => asked % weights.length;

const nextGenome = (options: MoeaDOptions, decomposition: Decomposition, state: MoeaDState): Genome | undefined =>
  options.initial?.find((genome) => !state.archive.has(genome)) ??
  childOf(options.choices, decomposition, state) ??
  state.archive.drawUnseen(state.random);

/** None in the first turns, which are random. */
const childOf = (choices: readonly number[], decomposition: Decomposition, state: MoeaDState): Genome | undefined => {
  const { random, asked, archive, incumbents } = state;
  if (asked < decomposition.weights.length) return undefined;
  const parents = decomposition.neighbours[turnOf(decomposition, state)]!.flatMap((index) => incumbents[index] ?? []);
  if (parents.length === 0) return undefined;
  const parent = (): Genome => parents[random.below(parents.length)]!.genome;
  return unseenOf(archive, () => mutate(crossover(parent(), parent(), random), choices, random));
};

const admit = (evaluation: Evaluation, { weights, neighbours }: Decomposition, state: MoeaDState): void => {
  const key = genomeKey(evaluation.genome);
  const subproblem = state.pending.get(key);
  state.pending.delete(key);
  state.archive.add(evaluation.genome);
  const held = state.incumbents.flatMap((incumbent) => incumbent ?? []);
  const range = rangeOf(state.ideal, [...held, evaluation]);
  state.ideal = range.ideal;
  for (const index of subproblem === undefined ? weights.keys() : neighbours[subproblem]!)
    if (serves(evaluation, state.incumbents[index], weights[index]!, range)) state.incumbents[index] = evaluation;
};

interface MoeaDCheckpoint {
  readonly format: "kvtuner-moead";
  readonly version: 1;
  readonly options: MoeaDOptions;
  readonly random: readonly number[];
  readonly seen: readonly Genome[];
  readonly asked: number;
  readonly pending: readonly (readonly [string, number])[];
  readonly ideal: readonly number[] | null;
  readonly incumbents: readonly (Evaluation | null)[];
}

const checkpointOf = (options: MoeaDOptions, state: MoeaDState): MoeaDCheckpoint => ({
  format: "kvtuner-moead",
  version: 1,
  options,
  random: [...state.random.state()],
  seen: state.archive.toJSON(),
  asked: state.asked,
  pending: [...state.pending],
  ideal: state.ideal ?? null,
  incumbents: Array.from(state.incumbents, (incumbent) => incumbent ?? null),
});

const isCheckpoint = (value: unknown): value is MoeaDCheckpoint => {
  const candidate = value as Partial<MoeaDCheckpoint> | null | undefined;
  return candidate?.format === "kvtuner-moead" && candidate.version === 1 && isWhole(candidate);
};

const isWhole = ({ options, random, seen, asked, pending, ideal, incumbents }: Partial<MoeaDCheckpoint>): boolean =>
  Array.isArray(options?.choices) &&
  Number.isInteger(asked) &&
  ideal !== undefined &&
  [random, seen, pending, incumbents].every(Array.isArray);

const assertNeighbours = ({ neighbours }: MoeaDOptions): void => {
  if (neighbours === undefined || (Number.isInteger(neighbours) && neighbours >= 2)) return;
  throw badOptions("createMoeaD", "at least 2 neighbours", `${neighbours}`);
};
