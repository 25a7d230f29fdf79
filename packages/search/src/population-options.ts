import { type Genome, isGenome } from "./ask-tell.ts";
import { isSeed } from "./random.ts";
import { SearchError } from "./search-error.ts";

/** Options of a search with a population. */
export interface PopulationOptions {
  /** Number of choices of each gene. */
  readonly choices: readonly number[];
  /** Number of objectives, all minimized. */
  readonly objectives: number;
  /** Genomes kept, 50 by default. */
  readonly populationSize?: number;
  /** 32-bit integer; the same seed and the same results give the same genomes. */
  readonly seed: number;
  /** Genomes to propose first, before random ones. */
  readonly initial?: readonly Genome[];
  /** Genomes never to propose. */
  readonly exclude?: readonly Genome[];
}

/** Default population size. */
export const DEFAULT_POPULATION_SIZE = 50;

/** Rejects invalid options of the function `creator`. Throws `SEARCH_BAD_OPTIONS`. */
export const assertPopulationOptions = (options: PopulationOptions, creator: string): void => {
  const { choices, objectives, seed, populationSize = DEFAULT_POPULATION_SIZE, initial = [], exclude = [] } = options;
  const refuse = (expected: string, came: string): never => {
    throw badOptions(creator, expected, came);
  };
  if (!Number.isInteger(objectives) || objectives < 1) refuse("at least 1 objective", `${objectives}`);
  if (!Number.isInteger(populationSize) || populationSize < 2)
    refuse("a populationSize of at least 2", `${populationSize}`);
  if (!isSeed(seed)) refuse("a seed that is a 32-bit integer", `${seed}`);
  const odd = [...initial, ...exclude].find((genome) => !isGenome(genome, choices));
  if (odd) refuse(`initial and excluded genomes within [${choices.join(", ")}]`, `[${odd.join(", ")}]`);
};

/** The error for an invalid option. */
export const badOptions = (creator: string, expected: string, came: string): SearchError =>
  new SearchError("SEARCH_BAD_OPTIONS", `expected ${expected}, got ${came}; change the options of ${creator}`);

/** The error for a value that is not a checkpoint of `creator`. */
export const badCheckpoint = (creator: string): SearchError =>
  new SearchError(
    "SEARCH_BAD_CHECKPOINT",
    `expected a checkpoint (version 1) of ${creator}, got something else; pass a value that checkpoint() returned`,
  );
