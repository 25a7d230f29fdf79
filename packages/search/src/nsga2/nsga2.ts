import { type AskTell, checkEvaluation, type Evaluation, type Genome, isGenome } from "../ask-tell.ts";
import { createArchive, type GenomeArchive } from "../genome-archive.ts";
import { isSeed, type Random, randomFromSeed, randomFromState } from "../random.ts";
import { SearchError } from "../search-error.ts";
import { crossover, mutate } from "./operators.ts";
import { type Ranked, survive, tournament } from "./selection.ts";

/** What an NSGA-II search is made of. */
export interface Nsga2Options {
  /** Number of choices of each gene. */
  readonly choices: readonly number[];
  /** Number of objectives, all minimized. */
  readonly objectives: number;
  /** Survivors of a generation, 50 by default. */
  readonly populationSize?: number;
  /** 32-bit integer; the same seed and the same results told give the same genomes asked. */
  readonly seed: number;
  /** Genomes to ask first, before random ones. */
  readonly initial?: readonly Genome[];
  /** Genomes never to ask. */
  readonly exclude?: readonly Genome[];
}

interface Nsga2State {
  readonly random: Random;
  readonly archive: GenomeArchive;
  /** Told in the generation under way. */
  newcomers: Evaluation[];
  /** Survivors of the last generation. */
  survivors: Ranked[];
}

/**
 * NSGA-II (Deb et al. 2002) over integer genes: binary tournaments, uniform crossover in nine of ten, mutation, constrained
 * dominance. A generation ends when `populationSize` results were told. No operator uses a transcendental function, so a
 * seed gives the same run on every platform. Throws `SEARCH_BAD_CHOICES`, `SEARCH_BAD_OPTIONS`; `tell` throws
 * `SEARCH_BAD_EVALUATION`.
 */
export const createNsga2 = (options: Nsga2Options): AskTell => {
  const archive = createArchive(options.choices, options.exclude);
  checkOptions(options);
  return searchFrom(options, { random: randomFromSeed(options.seed), archive, newcomers: [], survivors: [] });
};

/** The search that a checkpoint of `createNsga2` came from, in the state it was in. Throws `SEARCH_BAD_CHECKPOINT`. */
export const restoreNsga2 = (checkpoint: unknown): AskTell => {
  if (!isCheckpoint(checkpoint)) throw badCheckpoint();
  const { options, random, seen, newcomers, survivors } = checkpoint;
  return searchFrom(options, {
    random: randomFromState(random),
    archive: createArchive(options.choices, seen),
    newcomers: [...newcomers],
    survivors: survivors.map((ranked) => ({ ...ranked, crowding: ranked.crowding ?? Infinity })),
  });
};

const defaultPopulationSize = 50;

const searchFrom = (options: Nsga2Options, state: Nsga2State): AskTell => {
  const populationSize = options.populationSize ?? defaultPopulationSize;
  return {
    ask: (count = populationSize) => {
      const asked: Genome[] = [];
      for (let genome; asked.length < count && (genome = nextGenome(options, state)); asked.push(genome)) {
        state.archive.add(genome);
      }
      return asked;
    },
    tell: (evaluations) => {
      for (const evaluation of evaluations) checkEvaluation(evaluation, options.choices, options.objectives);
      for (const evaluation of evaluations) admit(evaluation, state, populationSize);
    },
    checkpoint: () => checkpointOf(options, state),
  };
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
  (state.survivors.length > 0 ? unseenChild(options, state) : undefined) ??
  state.archive.drawUnseen(state.random);

const attemptsForAnUnseenChild = 50;

const unseenChild = (options: Nsga2Options, state: Nsga2State): Genome | undefined => {
  for (let attempt = 0; attempt < attemptsForAnUnseenChild; attempt++) {
    const genome = child(options.choices, state);
    if (!state.archive.has(genome)) return genome;
  }
  return undefined;
};

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

const checkOptions = (options: Nsga2Options): void => {
  const { choices, objectives, seed, populationSize = defaultPopulationSize, initial = [], exclude = [] } = options;
  if (!Number.isInteger(objectives) || objectives < 1) throw badOptions("at least 1 objective", `${objectives}`);
  if (!Number.isInteger(populationSize) || populationSize < 2) {
    throw badOptions("a population of at least 2", `${populationSize}`);
  }
  if (!isSeed(seed)) throw badOptions("a 32-bit integer as seed", `${seed}`);
  const odd = [...initial, ...exclude].find((genome) => !isGenome(genome, choices));
  if (odd) throw badOptions(`initial and excluded genomes within [${choices.join(", ")}]`, `[${odd.join(", ")}]`);
};

const badOptions = (expected: string, came: string): SearchError =>
  new SearchError("SEARCH_BAD_OPTIONS", `Expected ${expected}, got ${came}. Mend the options of createNsga2.`);

const badCheckpoint = (): SearchError =>
  new SearchError("SEARCH_BAD_CHECKPOINT", "Expected a checkpoint (version 1) of createNsga2, got something else.");
