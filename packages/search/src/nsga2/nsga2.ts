import { askTellOf } from "../ask-tell-of.ts";
import type { AskTell, Evaluation, Genome } from "../ask-tell.ts";
import { createArchive, type GenomeArchive } from "../genome-archive.ts";
import { crossover, mutate, unseenOf } from "../operators.ts";
import {
  badCheckpoint,
  assertPopulationOptions,
  DEFAULT_POPULATION_SIZE,
  type PopulationOptions,
} from "../population-options.ts";
import { type Random, randomFromSeed, randomFromState } from "../random.ts";
import { type Ranked, survive, tournament } from "./selection.ts";

/** Options of NSGA-II. `populationSize` is the number of survivors of a generation. */
export type Nsga2Options = PopulationOptions;

interface Nsga2State {
  readonly random: Random;
  readonly archive: GenomeArchive;
  /** Results of the current generation. */
  newcomers: Evaluation[];
  /** Survivors of the last generation. */
  survivors: Ranked[];
}

/**
 * NSGA-II (Deb et al. 2002) over integer genes: binary tournaments, uniform crossover in nine of ten, mutation, constrained
 * dominance. A generation ends after `populationSize` results. No operator uses a transcendental function, so a
 * seed gives the same run on every platform. Throws `SEARCH_BAD_CHOICES`, `SEARCH_BAD_OPTIONS`; `tell` throws
 * `SEARCH_BAD_EVALUATION`.
 */
export const createNsga2 = (options: Nsga2Options): AskTell => {
  const archive = createArchive(options.choices, options.exclude);
  assertPopulationOptions(options, "createNsga2");
  return searchFrom(options, { random: randomFromSeed(options.seed), archive, newcomers: [], survivors: [] });
};

/** The search that a checkpoint of `createNsga2` came from, in the state it was in. Throws `SEARCH_BAD_CHECKPOINT`. */
export const restoreNsga2 = (checkpoint: unknown): AskTell => {
  if (!isCheckpoint(checkpoint)) throw badCheckpoint("createNsga2");
  const { options, random, seen, newcomers, survivors } = checkpoint;
  return searchFrom(options, {
    random: randomFromState(random),
    archive: createArchive(options.choices, seen),
    newcomers: [...newcomers],
    survivors: survivors.map((ranked) => ({ ...ranked, crowding: ranked.crowding ?? Infinity })),
  });
};

const searchFrom = (options: Nsga2Options, state: Nsga2State): AskTell => {
  const { choices, objectives, populationSize = DEFAULT_POPULATION_SIZE } = options;
  return askTellOf({
    choices,
    objectives,
    askedAtOnce: populationSize,
    next: () => nextGenome(options, state),
    asked: (genome) => state.archive.add(genome),
    admit: (evaluations) => {
      for (const evaluation of evaluations) admit(evaluation, state, populationSize);
    },
    checkpoint: () => checkpointOf(options, state),
  });
};

const admit = (evaluation: Evaluation, state: Nsga2State, populationSize: number): void => {
  state.archive.add(evaluation.genome);
  state.newcomers.push(evaluation);
  if (state.newcomers.length < populationSize) return;
  state.survivors = survive(
    [...state.survivors.map((ranked) => ranked.evaluation), ...state.newcomers],
    populationSize,
  );
  state.newcomers = [];
};

const nextGenome = (options: Nsga2Options, state: Nsga2State): Genome | undefined =>
  options.initial?.find((genome) => !state.archive.has(genome)) ??
  (state.survivors.length > 0 ? unseenOf(state.archive, () => child(options.choices, state)) : undefined) ??
  state.archive.drawUnseen(state.random);

const child = (choices: readonly number[], { random, survivors }: Nsga2State): Genome => {
  const mother = tournament(survivors, random).evaluation.genome;
  const father = tournament(survivors, random).evaluation.genome;
  return mutate(random.chance(9, 10) ? crossover(mother, father, random) : mother, choices, random);
};

interface Nsga2Checkpoint {
  readonly format: "kvtuner-nsga2";
  readonly version: 1;
  readonly options: Nsga2Options;
  readonly random: readonly number[];
  readonly seen: readonly Genome[];
  readonly newcomers: readonly Evaluation[];
  /** JSON has no Infinity; it is null here. */
  readonly survivors: readonly (Omit<Ranked, "crowding"> & { readonly crowding: number | null })[];
}

const checkpointOf = (options: Nsga2Options, state: Nsga2State): Nsga2Checkpoint => ({
  format: "kvtuner-nsga2",
  version: 1,
  options,
  random: [...state.random.state()],
  seen: state.archive.toJSON(),
  newcomers: [...state.newcomers],
  survivors: state.survivors.map((ranked) => ({
    ...ranked,
    crowding: ranked.crowding === Infinity ? null : ranked.crowding,
  })),
});

const isCheckpoint = (value: unknown): value is Nsga2Checkpoint => {
  const candidate = value as Partial<Nsga2Checkpoint> | null | undefined;
  return candidate?.format === "kvtuner-nsga2" && candidate.version === 1 && isWhole(candidate);
};

const isWhole = ({ options, random, seen, newcomers, survivors }: Partial<Nsga2Checkpoint>): boolean =>
  Array.isArray(options?.choices) && [random, seen, newcomers, survivors].every(Array.isArray);
