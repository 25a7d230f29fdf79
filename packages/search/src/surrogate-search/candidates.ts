import type { Genome } from "../ask-tell.ts";
import { randomFromSeed } from "../random.ts";
import { additiveFeatures, type SingleLosses } from "./additive-features.ts";
import { spreadOverFront } from "./front-candidates.ts";
import type { SurrogateProblem } from "./problem.ts";
import type { ResidualModel } from "./residual-model.ts";

const FRONT_CANDIDATES = 256;
const SAMPLED_FRONTS = 4;
const CANDIDATES_PER_SAMPLE = 64;
const MOST_NEIGHBOURS = 128;

/**
 * Genomes worth a prediction: the front of the corrected single losses, fronts of single losses drawn from the model's
 * posterior (what else could be best), and one-gene neighbours of the best genomes measured.
 */
export const proposeCandidates = (
  problem: SurrogateProblem,
  model: ResidualModel,
  best: readonly Genome[],
  draw: number,
): Genome[] => {
  const random = randomFromSeed((problem.options.seed + Math.imul(draw + 1, 0x9e3779b1)) | 0);
  const corrected = model.correctedLosses();
  const sampled = Array.from({ length: SAMPLED_FRONTS }, () =>
    spreadOverFront(problem, model.sampleLosses(random), CANDIDATES_PER_SAMPLE),
  );
  return [
    ...spreadOverFront(problem, corrected, FRONT_CANDIDATES),
    ...sampled.flat(),
    ...promisingNeighbours(problem, { losses: corrected, floor: problem.single.floor }, best),
  ];
};

/** One-gene neighbours by how far their corrected loss lies below that of the best genomes at no higher cost. */
const promisingNeighbours = (problem: SurrogateProblem, single: SingleLosses, best: readonly Genome[]): Genome[] => {
  const known = best
    .map((genome) => ({ cost: problem.costOf(genome), logLoss: additiveFeatures(genome, single).logLoss }))
    .toSorted((a, b) => a.cost - b.cost);
  const excess = (genome: Genome): number => {
    const cost = problem.costOf(genome);
    const rival = known.findLast((point) => point.cost <= cost);
    return additiveFeatures(genome, single).logLoss - (rival?.logLoss ?? problem.reference[0]);
  };
  const neighbours = best.flatMap((genome) => neighboursOf(genome, problem.options.choices));
  const scored = neighbours.map((genome) => ({ genome, excess: excess(genome) }));
  return scored
    .toSorted((a, b) => a.excess - b.excess)
    .slice(0, MOST_NEIGHBOURS)
    .map(({ genome }) => genome);
};

/** All genomes that differ in one gene by one choice up or down. */
export const neighboursOf = (genome: Genome, choices: readonly number[]): Genome[] =>
  genome.flatMap((choice, gene) =>
    [choice - 1, choice + 1]
      .filter((other) => other >= 0 && other < choices[gene]!)
      .map((other) => genome.with(gene, other)),
  );
