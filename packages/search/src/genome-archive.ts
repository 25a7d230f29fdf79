import type { Genome } from "./ask-tell.ts";
import type { Random } from "./random.ts";
import { SearchError } from "./search-error.ts";

/** Genomes seen so far, so that none is proposed twice. */
export interface GenomeArchive {
  has(genome: Genome): boolean;
  add(genome: Genome): void;
  /** An unseen genome: a few uniform draws, then the next unseen one in counting order; undefined when all were seen. */
  drawUnseen(random: Random): Genome | undefined;
  /** All seen genomes, in the order of arrival. */
  toJSON(): Genome[];
}

/** An archive for genomes with `choices[gene]` choices, holding `seen`. Throws `SEARCH_BAD_CHOICES`. */
export const createArchive = (choices: readonly number[], seen: readonly Genome[] = []): GenomeArchive => {
  assertChoices(choices);
  const byKey = new Map(seen.map((genome) => [genomeKey(genome), genome]));
  const has = (genome: Genome): boolean => byKey.has(genomeKey(genome));
  const spaceSize = choices.reduce((product, count) => product * count, 1);
  return {
    has,
    add: (genome) => void byKey.set(genomeKey(genome), genome),
    drawUnseen: (random) => (byKey.size < spaceSize ? firstUnseen(choices, random, has) : undefined),
    toJSON: () => [...byKey.values()],
  };
};

/** Text that is equal for equal genomes only. */
export const genomeKey = (genome: Genome): string => genome.join(",");

/** A genome drawn uniformly. */
export const randomGenome = (choices: readonly number[], random: Random): Genome =>
  choices.map((count) => random.below(count));

const DRAWS_BEFORE_COUNTING = 20;

const firstUnseen = (choices: readonly number[], random: Random, has: (genome: Genome) => boolean): Genome => {
  let genome = randomGenome(choices, random);
  for (let draw = 1; draw < DRAWS_BEFORE_COUNTING && has(genome); draw++) genome = randomGenome(choices, random);
  while (has(genome)) genome = successor(genome, choices);
  return genome;
};

/** The next genome in counting order, gene 0 turning fastest; the last one is followed by the first. */
const successor = (genome: Genome, choices: readonly number[]): Genome => {
  const next = [...genome];
  for (let gene = 0; gene < next.length; gene++) {
    next[gene] = (next[gene]! + 1) % choices[gene]!;
    if (next[gene] !== 0) break;
  }
  return next;
};

const assertChoices = (choices: readonly number[]): void => {
  if (choices.length > 0 && choices.every((count) => Number.isSafeInteger(count) && count >= 1)) return;
  throw new SearchError(
    "SEARCH_BAD_CHOICES",
    `expected at least one gene, each with one choice or more, got [${choices.join(", ")}]`,
  );
};
