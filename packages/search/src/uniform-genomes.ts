import type { Genome } from "./ask-tell.ts";

/**
 * The first choice in every gene, the second, ...; a gene with fewer choices keeps its last. With choices listed from fine to
 * coarse, these span all costs, while random genomes cluster in the middle.
 */
export const uniformGenomes = (choices: readonly number[]): Genome[] =>
  Array.from({ length: Math.max(...choices) }, (_, choice) => choices.map((count) => Math.min(choice, count - 1)));
