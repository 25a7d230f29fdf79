import { paint } from "../chart/palette.ts";
import type { Layer } from "../chart/spec.ts";
import { isWhole } from "./front-rows.ts";
import type { Axes, Point } from "./plan-points.ts";

/**
 * Points that no other beats in bits and `badness`, of which less is better; cheapest first. The front of a study may have
 * a third objective, and a line through all of it would go up and down.
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

/** Joins the plans that no other beats in what a chart shows, of those that were measured on everything. */
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
