import { paint } from "./palette.ts";
import type { Layer, Position } from "./spec.ts";

/** Where a rule's label stands, relative to the rule, px; `x` and `y` on a side of the chart. */
interface WordPlace {
  readonly align: "left" | "right";
  readonly baseline: "top" | "bottom";
  readonly x?: "width" | 0;
  readonly y?: number | "height";
  readonly dx: number;
  readonly dy?: number;
  readonly fontSize?: number;
  readonly fontWeight?: 600;
}

/** Paints the text twice, first with a wide outline, so that no line runs through it. */
export const HALO: Halo = { color: paint("card"), stroke: paint("card"), strokeWidth: 4, strokeJoin: "round" };

interface Halo {
  readonly color: string;
  readonly stroke: string;
  readonly strokeWidth: number;
  readonly strokeJoin: "round";
}

/** A dotted line across the chart at a value of an axis, with a short label that no line crosses. */
export const labelledRule = (
  axis: { readonly x: Position } | { readonly y: Position },
  row: Readonly<Record<string, number | string>> & { readonly text: string },
  color: string,
  place: WordPlace,
): Layer[] => {
  const data = { values: [row] };
  const encoding = { ...axis, text: { field: "text" } } as const;
  return [
    { data, mark: { type: "rule", color, strokeDash: [2, 3], aria: false }, encoding: axis },
    { data, mark: { type: "text", aria: false, ...place, ...HALO }, encoding },
    { data, mark: { type: "text", color, aria: false, ...place }, encoding },
  ];
};
