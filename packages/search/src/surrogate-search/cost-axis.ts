/** Where along the cost axis evaluations are worth most. */
export interface CostInterest {
  /** Only gains within [least, most] count. */
  readonly costRange?: readonly [number, number];
  /** A cost to spend about a third of the evaluations at or just below, such as a user's budget. */
  readonly focus?: { readonly cost: number };
}

/** Maps a cost to a position; distances between positions say how much interval of cost is worth. Never decreases. */
export type CostAxis = (cost: number) => number;

/** Width of the interval below the focus, as a share of all costs. */
const FOCUS_WIDTH = 0.08;

/** Width of the jump at the focus, as a share of all costs: practically none. */
const JUMP_WIDTH = 1e-9;

/**
 * The axis over costs from `least` to `most`: 1 long, or 2 with a focus. Half of the focus's length is spread below it; the other
 * half is a jump right above it, which rewards the least loss at no more than that cost.
 */
export const costAxis = (least: number, most: number, { costRange, focus }: CostInterest): CostAxis => {
  const [low, high] = [Math.max(least, costRange?.[0] ?? least), Math.min(most, costRange?.[1] ?? most)];
  if (!focus) return (cost) => covered(cost, low, high);
  const range = most - least;
  const top = Math.min(focus.cost, most - JUMP_WIDTH * range);
  return (cost) =>
    covered(cost, low, high) +
    covered(cost, top - FOCUS_WIDTH * range, top) / 2 +
    covered(cost, top, top + JUMP_WIDTH * range) / 2;
};

/** Share of [low, high] that lies below the cost. */
const covered = (cost: number, low: number, high: number): number =>
  high > low ? Math.min(Math.max((cost - low) / (high - low), 0), 1) : 0;
