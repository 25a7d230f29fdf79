import type { ChartWidth, Tipped } from "../chart/chart.ts";
import { HALO, labelledRule } from "../chart/labelled-rule.ts";
import { paint } from "../chart/palette.ts";
import { CROSS, HOLLOW_SQUARE } from "../chart/shapes.ts";
import type { Layer, Position } from "../chart/spec.ts";
import type { BitsLimit } from "../data/bits-limit.ts";
import { tokensText } from "../text/figures.ts";
import { KINDS, type FrontRow } from "./front-rows.ts";

/** A plan in a chart of bits; `low` and `high` are the ends of its error bar. */
export type Point = Tipped<Pick<FrontRow, "kind" | "label" | "bits">> & {
  readonly low: number;
  readonly high: number;
};

/** Where points stand. */
export interface Axes {
  readonly x: Position;
  readonly y: Position;
}

/** Range of bits shown, with a margin on both sides so that no point is cut. */
export const bitsRange = (points: readonly Point[]): [number, number] => {
  const low = points.reduce((least, point) => Math.min(least, point.bits), Infinity);
  const high = points.reduce((most, point) => Math.max(most, point.bits), -Infinity);
  const margin = Math.max(0.1, 0.04 * (high - low));
  return [low - margin, high + margin];
};

/** The axis of true bits. */
export const bitsAxis = (domain: [number, number], context: number, width: ChartWidth): Position => ({
  field: "bits",
  type: "quantitative",
  title: `true bits a stored number, at ${tokensText(context)} tokens`,
  scale: { domain, nice: false },
  axis: { tickCount: width === "wide" ? 10 : 6, format: "~g" },
});

/** The user's bits limit, if within the chart, labelled at the foot, where there are no points. */
export const limitLine = ({ x }: Axes, limit: BitsLimit | undefined, [low, high]: [number, number]): Layer[] => {
  if (limit === undefined || limit.bits < low || limit.bits > high) return [];
  // In the right half of a narrow chart the label does not fit on the right.
  const side =
    limit.bits > (low + high) / 2 ? ({ align: "right", dx: -5 } as const) : ({ align: "left", dx: 5 } as const);
  return labelledRule({ x }, { ...limit }, paint("ink"), { ...side, baseline: "bottom", y: "height", dy: -3 });
};

/** One standard error up and down. */
export const errorBars = ({ x, y }: Axes, points: readonly Point[]): Layer => ({
  data: { values: points.filter(({ low, high }) => high > low) },
  mark: { type: "rule", color: paint("faint"), aria: false },
  encoding: { x, y: { ...y, field: "low" } as Position, y2: { field: "high" } },
});

/** Looks of {@link KINDS}; hollow marks were not measured. */
const LOOKS: Readonly<
  Record<FrontRow["kind"], { readonly color: string; readonly shape: string; readonly size: number }>
> = {
  "picked plan": { color: paint("picked"), shape: "diamond", size: 230 },
  front: { color: paint("front"), shape: "circle", size: 48 },
  "one pair everywhere": { color: paint("uniform"), shape: "square", size: 80 },
  "one pair everywhere, predicted": { color: paint("uniform"), shape: HOLLOW_SQUARE, size: 80 },
  "beaten by others": { color: paint("faint"), shape: "circle", size: 40 },
  "given up early": { color: paint("muted"), shape: CROSS, size: 110 },
  "not yet evaluated on all prompts": { color: paint("muted"), shape: "triangle-up", size: 70 },
};

/** The points with their legend; the picked plan is drawn last, on top. */
export const planPoints = (axes: Axes, points: readonly Point[], width: ChartWidth): Layer => {
  const domain = KINDS.filter((kind) => points.some((point) => point.kind === kind));
  const looks = domain.map((kind) => LOOKS[kind]);
  const legend = { title: null, columns: width === "wide" ? 3 : 1 };
  const order = (point: Point): number => -KINDS.indexOf(point.kind);
  const scale = <Value>(range: Value[]): { domain: string[]; range: Value[] } => ({ domain, range });
  return {
    data: { values: points.toSorted((one, other) => order(one) - order(other)) },
    mark: { type: "point", filled: true, opacity: 1 },
    encoding: {
      ...axes,
      description: { field: "tip" },
      color: { field: "kind", type: "nominal", scale: scale(looks.map(({ color }) => color)), legend },
      shape: { field: "kind", type: "nominal", scale: scale(looks.map(({ shape }) => shape)), legend },
      size: {
        condition: domain.map((kind) => ({ test: `datum.kind === "${kind}"`, value: LOOKS[kind].size })),
        value: 0,
      },
      stroke: { value: paint("card") },
      strokeWidth: { value: 1 },
    },
  };
};

/** Names of plans beside their points, on the side that fewer lines cross. */
export const planNames = (axes: Axes, points: readonly Point[], side: "above" | "below"): Layer[] => {
  const place = side === "above" ? ({ baseline: "bottom", dy: -4 } as const) : ({ baseline: "top", dy: 4 } as const);
  const mark = { type: "text", align: "left", dx: 7, fontSize: 11, aria: false, ...place } as const;
  const layer = { data: { values: [...points] }, encoding: { ...axes, text: { field: "label" } } } as const;
  return [
    { ...layer, mark: { ...mark, ...HALO } },
    { ...layer, mark: { ...mark, color: paint("muted") } },
  ];
};
