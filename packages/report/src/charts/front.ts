import type { TopLevelSpec } from "vega-lite";
import { tableOf, tipped, type Chart, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { decadesOf } from "../chart/decades.ts";
import { paint } from "../chart/palette.ts";
import { layered, type Layer, type Position } from "../chart/spec.ts";
import type { BitsLimit } from "../data/bits-limit.ts";
import type { ReportData } from "../data/data.ts";
import { frontLine } from "./front-line.ts";
import {
  frontColumns,
  frontRows,
  predictedFront,
  SMALLEST_KL,
  type FrontRow,
  type PredictedRow,
} from "./front-rows.ts";
import { bitsAxis, bitsRange, errorBars, limitLine, planNames, planPoints, type Axes } from "./plan-points.ts";

/** Bits against loss: evaluated plans, uniform plans and predictions. */
export const frontChart = (data: ReportData): Chart => {
  const rows = frontRows(data);
  const columns = frontColumns(data);
  const points = tipped(columns, rows).map(drawable);
  const parts = { points, predicted: predictedFront(data), limit: data.limit, context: data.context };
  return {
    label: "Loss against bits of the plans that were tried",
    spec: (width) => frontSpec(parts, width),
    table: tableOf(columns, rows),
  };
};

interface LossPoint extends Tipped<FrontRow> {
  readonly low: number;
  readonly high: number;
}

interface Parts {
  readonly points: readonly LossPoint[];
  readonly predicted: readonly PredictedRow[];
  readonly limit: BitsLimit | undefined;
  readonly context: number;
}

const drawable = (row: Tipped<FrontRow>): LossPoint => {
  const kl = Math.max(SMALLEST_KL, row.kl);
  return { ...row, kl, low: Math.max(kl / 10, kl - row.klStandardError), high: kl + row.klStandardError };
};

const frontSpec = ({ points, predicted, limit, context }: Parts, width: ChartWidth): TopLevelSpec => {
  const range = bitsRange(points);
  const shown = (bits: number): boolean => bits >= range[0] && bits <= range[1];
  const axes = { x: bitsAxis(range, context, width), y: lossAxis(points, width) };
  return layered(width, 420, [
    predictedLine(
      axes,
      predicted.filter(({ bits }) => shown(bits)),
    ),
    frontLine(axes, points, ({ kl }) => kl),
    ...limitLine(axes, limit, range),
    errorBars(axes, points),
    planPoints(axes, points, width),
    ...planNames(axes, namedPoints(points), "above"),
  ]);
};

const lossAxis = (points: readonly LossPoint[], width: ChartWidth): Position => {
  const decades = decadesOf(points.map(({ kl }) => kl));
  return {
    field: "kl",
    type: "quantitative",
    scale: { type: "log", domain: [decades[0] ?? SMALLEST_KL, decades.at(-1) ?? 1], nice: false, clamp: true },
    title: width === "wide" ? "loss: KL to the 16-bit cache, nats a token" : "loss: KL, nats a token",
    axis: { format: "~g", values: decades },
  };
};

const predictedLine = (axes: Axes, predicted: PredictedRow[]): Layer => ({
  data: { values: predicted },
  mark: { type: "line", color: paint("faint"), strokeDash: [5, 4], strokeWidth: 1.5, aria: false, clip: true },
  encoding: { ...axes, order: { field: "bits" } },
});

/** Names of uniform plans. Of those not evaluated, only the ones that no other uniform plan beats. */
const namedPoints = (points: readonly LossPoint[]): LossPoint[] => {
  const uniform = points.filter(({ label }) => label !== "");
  const isBeaten = ({ bits, kl }: LossPoint): boolean =>
    uniform.some((other) => other.bits <= bits && other.kl <= kl && (other.bits < bits || other.kl < kl));
  return uniform.filter((point) => point.kind !== "one pair everywhere, predicted" || !isBeaten(point));
};
