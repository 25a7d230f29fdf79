import type { Evaluation, Genome } from "../ask-tell.ts";
import { nonDominatedSort } from "../non-dominated-sort.ts";
import { logOfLoss } from "./additive-features.ts";
import { rankCorrelation } from "./agreement.ts";
import { proposeCandidates } from "./candidates.ts";
import { fitBestModel } from "./choose-scales.ts";
import { expectedGain, type ExpectedGain, gainOverLines, type KnownPoint } from "./expected-gain.ts";
import type { SurrogateProblem } from "./problem.ts";
import { fitResidualModel, type Observation, type ResidualModel } from "./residual-model.ts";

/** Guidance from the results so far. */
export interface Refinement {
  /** Rank correlation of observed losses with those predicted from all others. */
  readonly agreement: number;
  /** The unseen candidate of greatest expected gain, given that pending genomes will turn out as predicted. */
  next(pending: readonly Genome[], unseen: (genome: Genome) => boolean): Genome | undefined;
  /** What the `count` best unseen candidates are expected to gain together over lines between the genomes known. */
  gain(count: number, unseen: (genome: Genome) => boolean): number;
}

/** Fits the model to the results and proposes candidates, both once. */
export const refine = (problem: SurrogateProblem, told: readonly Evaluation[]): Refinement => {
  const observations = told.map(({ genome, objectives }) => observe(problem, genome, objectives[0]!));
  const model = fitBestModel(problem.single, observations);
  let candidates: readonly Genome[] | undefined;
  const proposed = (): readonly Genome[] =>
    (candidates ??= proposeCandidates(problem, model, bestOf(problem, told), told.length));
  return {
    agreement: agreementOf(model, observations),
    next: (pending, unseen) => {
      const gainOver: GainOver = (points) => expectedGain(points, problem.reference, problem.axis);
      return bestCandidate(problem, model, { observations, told, pending }, proposed().filter(unseen), gainOver)
        ?.genome;
    },
    gain: (count, unseen) => {
      const gainOver: GainOver = (points) => gainOverLines(points, problem.plainAxis);
      const pending: Genome[] = [];
      let sum = 0;
      while (pending.length < count) {
        const known = { observations, told, pending };
        const rest = proposed().filter((genome) => unseen(genome) && !pending.includes(genome));
        const best = bestCandidate(problem, model, known, rest, gainOver);
        if (best === undefined) return sum;
        sum += best.gain;
        pending.push(best.genome);
      }
      return sum;
    },
  };
};

type GainOver = (points: readonly KnownPoint[]) => ExpectedGain;

/** A genome, and what evaluating it is expected to gain. */
interface Proposal {
  readonly genome: Genome;
  readonly gain: number;
}

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
  gainOver: GainOver,
): Proposal | undefined => {
  const believed = pending.map((genome) => ({ genome, logLoss: fitted.predict(genome).mean }));
  const model = fitResidualModel(problem.single, [...observations, ...believed], fitted.scales);
  const allowed = observations.filter((_, index) => isAllowed(told[index]!));
  const gain = gainOver([...allowed, ...believed].map(knownPoint(problem)));
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
