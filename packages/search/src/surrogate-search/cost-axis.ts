/** Where along the cost axis evaluations are worth most. */
export interface CostInterest {
  /** Only gains within [least, most] count. */
  readonly costRange?: readonly [number, number];
  /** A cost to spend about half of the evaluations at or just below, such as a user's budget. */
  readonly focus?: { readonly cost: number };
}

/** Maps a cost to a position; distances between positions say how much interval of cost is worth. Never decreases. */
export type CostAxis = (cost: number) => number;

/** Width of the interval below the focus, as a share of all costs. */
const focusWidth = 0.08;

/** The axis over costs from `least` to `most`: 1 long, 2 with a focus. */
export const costAxis = (least: number, most: number, { costRange, focus }: CostInterest): CostAxis => {
  const [low, high] = [Math.max(least, costRange?.[0] ?? least), Math.min(most, costRange?.[1] ?? most)];
  if (!focus) return (cost) => covered(cost, low, high);
  const width = focusWidth * (most - least);
  return (cost) => covered(cost, low, high) + covered(cost, focus.cost - width, focus.cost + width / 8);
};

/** Share of [low, high] that lies below the cost. */
const covered = (cost: number, low: number, high: number): number =>
  high > low ? Math.min(Math.max((cost - low) / (high - low), 0), 1) : 0;
