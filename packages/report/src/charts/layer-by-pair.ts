import { WIDTH, type ChartWidth } from "../chart/chart.ts";
import type { Position } from "../chart/spec.ts";

/** Layers and pairs along the axes of a matrix, and its height. */
export interface MatrixAxes {
  readonly x: Position;
  readonly y: Position;
  /** Height of the rows, px. */
  readonly height: number;
}

/** Height of a pair's row on a page, and of a layer's on a phone, px. */
const ROW: Readonly<Record<ChartWidth, number>> = { wide: 20, narrow: 15 };

/** Narrowest column that still fits every layer's number, px. */
const LABELLED = 16;

/** Layers along a page, or down a phone. */
export const matrixAxes = (width: ChartWidth, pairs: readonly string[], layers: number, grid: boolean): MatrixAxes => {
  // Keys of one method beside values of another. Without a browser, Vega takes text for wider than it is.
  const axis = { domain: false, ticks: false, grid, labelOverlap: "greedy", labelLimit: 400 } as const;
  const everyFifth = WIDTH.wide / layers < LABELLED ? { values: multiplesOfFive(layers) } : {};
  const pair = { field: "pair", type: "ordinal", title: null, sort: [...pairs] } as const;
  const layer = { field: "layer", type: "ordinal", title: "layer" } as const;
  if (width === "wide") {
    return {
      x: { ...layer, axis: { ...axis, labelAngle: 0, ...everyFifth } },
      y: { ...pair, sort: [...pairs], axis },
      height: pairs.length * ROW.wide,
    };
  }
  return {
    x: { ...pair, sort: [...pairs], axis: { ...axis, labelAngle: -90 } },
    y: { ...layer, axis },
    height: layers * ROW.narrow,
  };
};

const multiplesOfFive = (layers: number): number[] =>
  Array.from({ length: Math.ceil(layers / 5) }, (_, index) => index * 5);
