import type { Genome } from "./ask-tell.ts";

/**
 * The first choice in every gene, the second, ...; a gene with fewer choices keeps its last. Where choices are listed from fine
 * to coarse, these span all costs, which random genomes gather in the middle of.
 */
export const uniformGenomes = (choices: readonly number[]): Genome[] =>
  Array.from({ length: Math.max(...choices) }, (_, choice) => choices.map((count) => Math.min(choice, count - 1)));
