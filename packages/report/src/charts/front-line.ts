import { paint } from "../chart/palette.ts";
import type { Layer } from "../chart/spec.ts";
import { isWhole } from "./front-rows.ts";
import type { Axes, Point } from "./plan-points.ts";

/**
 * Points that no other point beats in both bits and `badness` (less is better), cheapest first. A study's front can have a
 * third objective, and a line through all of it would go up and down.
 */
export const unbeaten = <Costly extends Pick<Point, "bits">>(
  points: readonly Costly[],
  badness: (point: Costly) => number,
): Costly[] => {
  let least = Infinity;
  return points
    .toSorted((one, other) => one.bits - other.bits || badness(one) - badness(other))
    .filter((point) => {
      const isBetter = badness(point) < least;
      if (isBetter) least = badness(point);
      return isBetter;
    });
};

/** Joins the fully measured plans that no other plan beats on this chart's two axes. */
export const frontLine = <Shown extends Point>(
  axes: Axes,
  points: readonly Shown[],
  badness: (point: Shown) => number,
): Layer => ({
  data: { values: unbeaten(points.filter(isWhole), badness) },
  mark: {
    type: "line",
    interpolate: "step-after",
    color: paint("front"),
    strokeWidth: 1.5,
    opacity: 0.6,
    aria: false,
  },
  encoding: { ...axes, order: { field: "bits" } },
});
