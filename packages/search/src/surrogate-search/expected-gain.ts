import type { CostAxis } from "./cost-axis.ts";

/** A point with an exact cost and the natural logarithm of its loss. */
export interface KnownPoint {
  readonly cost: number;
  readonly logLoss: number;
}

/** The least log loss known at costs from `from` to `to`. */
interface Step {
  readonly from: number;
  readonly to: number;
  readonly logLoss: number;
}

/**
 * Expected growth of the hypervolume under (log loss, position of cost) when a genome of exactly known cost and normally
 * distributed log loss is measured. The integral over the loss is in closed form, step by step of the front known.
 */
export type ExpectedGain = (cost: number, mean: number, variance: number) => number;

/** The gain over `known` points within the reference [log loss, cost]. */
export const expectedGain = (
  known: readonly KnownPoint[],
  reference: readonly [number, number],
  axis: CostAxis,
): ExpectedGain => {
  const steps = stepsOf(known, reference);
  return (cost, mean, variance) => {
    const deviation = Math.sqrt(variance);
    return steps.reduce((sum, step) => {
      if (step.to <= cost) return sum;
      const width = axis(step.to) - axis(Math.max(step.from, cost));
      return sum + (width > 0 ? width * expectedImprovement(step.logLoss - mean, deviation) : 0);
    }, 0);
  };
};

/**
 * The same over straight lines between the points known, in log loss over cost: a gain is what the known points do not predict, and
 * not that a point between two of them is new. A gain counts fully at its cost, and falls to nothing at the neighbours'.
 */
export const gainOverLines = (known: readonly KnownPoint[], axis: CostAxis): ExpectedGain => {
  const front = frontOf(known);
  return (cost, mean, variance) => {
    const next = front.findIndex((point) => point.cost > cost);
    const before = front.at(next < 0 ? -1 : next - 1);
    if (next === 0 || before === undefined) return 0;
    const after = front[next] ?? { cost: Infinity, logLoss: before.logLoss };
    const isLast = after.cost === Infinity || before.cost === cost;
    const share = isLast ? 0 : (cost - before.cost) / (after.cost - before.cost);
    const line = before.logLoss + share * (after.logLoss - before.logLoss);
    return ((axis(after.cost) - axis(before.cost)) / 2) * expectedImprovement(line - mean, Math.sqrt(variance));
  };
};

const frontOf = (known: readonly KnownPoint[]): KnownPoint[] => {
  const front: KnownPoint[] = [];
  for (const point of known.toSorted((a, b) => a.cost - b.cost || a.logLoss - b.logLoss))
    if (point.logLoss < (front.at(-1)?.logLoss ?? Infinity)) front.push(point);
  return front;
};

const stepsOf = (known: readonly KnownPoint[], [logLoss, cost]: readonly [number, number]): Step[] => {
  const inside = known.filter((point) => point.cost < cost && point.logLoss < logLoss);
  const front: KnownPoint[] = [{ cost: -Infinity, logLoss }, ...frontOf(inside)];
  return front.map((point, index) => ({
    from: point.cost,
    to: front[index + 1]?.cost ?? cost,
    logLoss: point.logLoss,
  }));
};

/** E[max(0, X)] for X normal (Jones, Schonlau and Welch, Efficient global optimization, 1998, equation 15). */
export const expectedImprovement = (mean: number, deviation: number): number => {
  if (deviation === 0) return Math.max(mean, 0);
  const z = mean / deviation;
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  return Math.max(mean * normalDistribution(z) + deviation * density, 0);
};

/** Zelen and Severo's approximation (Abramowitz and Stegun 26.2.17), within 7.5e-8. */
const normalDistribution = (z: number): number => {
  const t = 1 / (1 + 0.2316419 * Math.abs(z));
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const tail = (Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI)) * polynomial;
  return z > 0 ? 1 - tail : tail;
};
