import type { Genome } from "./ask-tell.ts";
import type { GenomeArchive } from "./genome-archive.ts";
import type { Random } from "./random.ts";

/** Uniform crossover: every gene from either parent with equal chance. */
export const crossover = (mother: Genome, father: Genome, random: Random): Genome =>
  mother.map((choice, gene) => (random.chance(1, 2) ? choice : father[gene]!));

/**
 * Changes each gene with probability 1/genes: half of the changes are a step to a neighbouring choice (choices are usually
 * listed from fine to coarse), half go to any other choice.
 */
export const mutate = (genome: Genome, choices: readonly number[], random: Random): Genome =>
  genome.map((choice, gene) => (random.chance(1, genome.length) ? changed(choice, choices[gene]!, random) : choice));

const changed = (choice: number, count: number, random: Random): number => {
  if (count === 1) return choice;
  if (random.chance(1, 2)) return (choice + 1 + random.below(count - 1)) % count;
  const step = random.chance(1, 2) ? 1 : -1;
  return choice + step < 0 || choice + step >= count ? choice - step : choice + step;
};

const ATTEMPTS_FOR_AN_UNSEEN_CHILD = 50;

/** The first genome drawn that the archive lacks; undefined when many draws give none. */
export const unseenOf = (archive: GenomeArchive, draw: () => Genome): Genome | undefined => {
  for (let attempt = 0; attempt < ATTEMPTS_FOR_AN_UNSEEN_CHILD; attempt++) {
    const genome = draw();
    if (!archive.has(genome)) return genome;
  }
  return undefined;
};
