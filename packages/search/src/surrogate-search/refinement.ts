import type { Evaluation, Genome } from "../ask-tell.ts";
import { nonDominatedSort } from "../non-dominated-sort.ts";
import { logOfLoss } from "./additive-features.ts";
import { rankCorrelation } from "./agreement.ts";
import { proposeCandidates } from "./candidates.ts";
import { fitBestModel } from "./choose-scales.ts";
import { expectedGain, type KnownPoint } from "./expected-gain.ts";
import type { SurrogateProblem } from "./problem.ts";
import { fitResidualModel, type Observation, type ResidualModel } from "./residual-model.ts";

/** Guidance from the results so far. */
export interface Refinement {
  /** Rank correlation of observed losses with those predicted from all others. */
  readonly agreement: number;
  /** The unseen candidate of greatest expected gain, given that pending genomes will turn out as predicted. */
  next(pending: readonly Genome[], unseen: (genome: Genome) => boolean): Proposal | undefined;
}

/** A genome, and what evaluating it is expected to add to the hypervolume. */
export interface Proposal {
  readonly genome: Genome;
  readonly gain: number;
}

/** Fits the model to the results and proposes candidates, both once. */
export const refine = (problem: SurrogateProblem, told: readonly Evaluation[]): Refinement => {
  const observations = told.map(({ genome, objectives }) => observe(problem, genome, objectives[0]!));
  const model = fitBestModel(problem.single, observations);
  let candidates: readonly Genome[] | undefined;
  return {
    agreement: agreementOf(model, observations),
    next: (pending, unseen) => {
      candidates ??= proposeCandidates(problem, model, bestOf(problem, told), told.length);
      return bestCandidate(problem, model, { observations, told, pending }, candidates.filter(unseen));
    },
  };
};

interface Known {
  readonly observations: readonly Observation[];
  readonly told: readonly Evaluation[];
  readonly pending: readonly Genome[];
}

const observe = ({ single }: SurrogateProblem, genome: Genome, loss: number): Observation => ({
  genome,
  logLoss: logOfLoss(loss, single.floor),
});

const agreementOf = (model: ResidualModel, observations: readonly Observation[]): number =>
  rankCorrelation(
    model.leaveOneOut(),
    observations.map(({ logLoss }) => logLoss),
  );

const isAllowed = ({ constraintViolation = 0 }: Evaluation): boolean => constraintViolation <= 0;

const bestOf = (problem: SurrogateProblem, told: readonly Evaluation[]): Genome[] => {
  const allowed = told.filter(isAllowed);
  const points = allowed.map(({ genome, objectives }) => [objectives[0]!, problem.costOf(genome)]);
  return (nonDominatedSort(points)[0] ?? []).map((index) => allowed[index]!.genome);
};

const bestCandidate = (
  problem: SurrogateProblem,
  fitted: ResidualModel,
  { observations, told, pending }: Known,
  candidates: readonly Genome[],
): Proposal | undefined => {
  const believed = pending.map((genome) => ({ genome, logLoss: fitted.predict(genome).mean }));
  const model = fitResidualModel(problem.single, [...observations, ...believed], fitted.scales);
  const allowed = observations.filter((_, index) => isAllowed(told[index]!));
  const gain = expectedGain([...allowed, ...believed].map(knownPoint(problem)), problem.reference, problem.axis);
  let best: Proposal | undefined;
  for (const genome of candidates) {
    const { mean, variance } = model.predict(genome);
    const expected = gain(problem.costOf(genome), mean, variance);
    if (expected > (best?.gain ?? 0)) best = { genome, gain: expected };
  }
  return best;
};

const knownPoint =
  (problem: SurrogateProblem) =>
  ({ genome, logLoss }: Observation): KnownPoint => ({ cost: problem.costOf(genome), logLoss });
