import { paint } from "./palette.ts";
import type { Layer, Position } from "./spec.ts";

/** Where the words of a rule stand, seen from it, px; `x` and `y` on a side of the chart. */
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

/** Paints words once more below themselves, so that no line runs through them. */
export const HALO: Halo = { color: paint("card"), stroke: paint("card"), strokeWidth: 4, strokeJoin: "round" };

interface Halo {
  readonly color: string;
  readonly stroke: string;
  readonly strokeWidth: number;
  readonly strokeJoin: "round";
}

/** A dotted line across the chart where a value stands on an axis, with a few words beside it that nothing runs through. */
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
