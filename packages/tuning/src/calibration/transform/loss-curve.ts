/** How the loss of a KV head follows from the one that its tables state. */
export interface LossCurve {
  /** What it was fitted to. */
  readonly points: readonly LossPoint[];
  /** What a small rise of the stated loss costs there. */
  slope(stated: number): number;
}

/** A loss as tables state it, and as measured, in the same unit. */
export interface LossPoint {
  readonly stated: number;
  readonly measured: number;
}

/** Powers outside are noise of the measurement, and allocations by them might not settle. */
const [LOWEST_POWER, HIGHEST_POWER] = [0.5, 1.5];

/**
 * Fits `measured = factor * stated ^ power` to points by least squares of logarithms. Beyond the points, the slope stays as it is at the
 * nearest one. Undefined where fewer than two points differ or a loss is 0.
 */
export const lossCurve = (points: readonly LossPoint[]): LossCurve | undefined => {
  const known = points.filter(({ stated, measured }) => stated > 0 && measured > 0 && Number.isFinite(measured));
  const [x, y] = [known.map(({ stated }) => Math.log(stated)), known.map(({ measured }) => Math.log(measured))];
  const [meanX, meanY] = [mean(x), mean(y)];
  const spread = mean(x.map((own) => (own - meanX) ** 2));
  if (!(spread > 0)) return undefined;
  const fitted = mean(x.map((own, at) => (own - meanX) * (y[at]! - meanY))) / spread;
  const power = Math.min(HIGHEST_POWER, Math.max(LOWEST_POWER, fitted));
  const [least, most] = [Math.min(...x), Math.max(...x)];
  return {
    points,
    slope: (stated) => {
      const at = Math.min(most, Math.max(least, Math.log(stated)));
      return power * Math.exp(meanY + power * (at - meanX) - at);
    },
  };
};

const mean = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
