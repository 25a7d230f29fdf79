import type { TopLevelSpec } from "vega-lite";

import { bitsOfBytes } from "../../pipeline/space.ts";
import { tableOf, tipped, type Chart, type Room, type Tipped } from "../chart/chart.ts";
import { paint } from "../chart/palette.ts";
import { decadesOf } from "../chart/decades.ts";
import { labelledRule } from "../chart/labelled-rule.ts";
import { layered, type Layer, type Position } from "../chart/spec.ts";
import type { ReportData } from "../data.ts";
import {
  frontColumns,
  frontRows,
  KINDS,
  predictedFront,
  SMALLEST_KL,
  type FrontRow,
  type PredictedRow,
} from "./front-rows.ts";

/** Bits against loss: what was found, what a plan with one pair everywhere gives, and what was predicted. */
export const frontChart = (data: ReportData): Chart => {
  const rows = frontRows(data);
  const columns = frontColumns(data);
  const points = tipped(columns, rows).map(drawable);
  const budgetBits = data.budget === undefined ? undefined : bitsOfBytes(data.space, data.budget);
  const parts = { points, predicted: predictedFront(data), budgetBits, context: data.context };
  return {
    label: "Loss against bits of the plans that were tried",
    spec: (room) => frontSpec(parts, room),
    table: tableOf(columns, rows),
  };
};

interface Point extends Tipped<FrontRow> {
  readonly low: number;
  readonly high: number;
}

interface Parts {
  readonly points: readonly Point[];
  readonly predicted: readonly PredictedRow[];
  readonly budgetBits: number | undefined;
  readonly context: number;
}

const drawable = (row: Tipped<FrontRow>): Point => {
  const kl = Math.max(SMALLEST_KL, row.kl);
  return { ...row, kl, low: Math.max(kl / 10, kl - row.klStandardError), high: kl + row.klStandardError };
};

const frontSpec = ({ points, predicted, budgetBits: limit, context }: Parts, room: Room): TopLevelSpec => {
  const range = bitsRange(points);
  const shown = (bits: number): boolean => bits >= range[0] && bits <= range[1];
  const axes = { x: bitsAxis(range, context, room), y: lossAxis(points, room) };
  return layered(room, 420, [
    predictedLine(
      axes,
      predicted.filter(({ bits }) => shown(bits)),
    ),
    frontLine(axes, points),
    ...(limit !== undefined && shown(limit) ? budgetLine(axes, limit) : []),
    errorBars(axes, points),
    planPoints(axes, points, room),
    planNames(axes, points),
  ]);
};

interface Axes {
  readonly x: Position;
  readonly y: Position;
}

/** A little room on both sides, so that no point is cut. */
const bitsRange = (points: readonly Point[]): [number, number] => {
  const bits = points.map((point) => point.bits);
  const [low, high] = [Math.min(...bits), Math.max(...bits)];
  const margin = Math.max(0.1, 0.04 * (high - low));
  return [low - margin, high + margin];
};

const bitsAxis = (domain: [number, number], context: number, room: Room): Position => ({
  field: "bits",
  type: "quantitative",
  title: `true bits a stored number, at ${context} tokens`,
  scale: { domain, nice: false },
  axis: { tickCount: room === "wide" ? 10 : 6, format: "~g" },
});

const lossAxis = (points: readonly Point[], room: Room): Position => {
  const decades = decadesOf(points.map(({ kl }) => kl));
  return {
    field: "kl",
    type: "quantitative",
    scale: { type: "log", domain: [decades[0] ?? SMALLEST_KL, decades.at(-1) ?? 1], nice: false, clamp: true },
    title: room === "wide" ? "loss: KL to the 16-bit cache, nats a token" : "loss: KL, nats a token",
    axis: { format: "~g", values: decades },
  };
};

const predictedLine = (axes: Axes, predicted: PredictedRow[]): Layer => ({
  data: { values: predicted },
  mark: { type: "line", color: paint("faint"), strokeDash: [5, 4], strokeWidth: 1.5, aria: false, clip: true },
  encoding: { ...axes, order: { field: "bits" } },
});

const frontLine = (axes: Axes, points: readonly Point[]): Layer => ({
  data: { values: points.filter(({ onFront }) => onFront).map(({ bits, kl }) => ({ bits, kl })) },
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

const budgetLine = ({ x }: Axes, limit: number): Layer[] =>
  labelledRule({ x }, { bits: limit, text: "budget" }, paint("ink"), { align: "left", baseline: "top", dx: 5, y: 2 });

const errorBars = ({ x, y }: Axes, points: readonly Point[]): Layer => ({
  data: { values: points.filter(({ klStandardError }) => klStandardError > 0) },
  mark: { type: "rule", color: paint("faint"), aria: false },
  encoding: { x, y: { ...y, field: "low" } as Position, y2: { field: "high" } },
});

/** Looks of {@link KINDS}; the hollow ones are those that were not measured. */
const LOOKS: Readonly<
  Record<FrontRow["kind"], { readonly color: string; readonly shape: string; readonly size: number }>
> = {
  "picked plan": { color: paint("picked"), shape: "diamond", size: 230 },
  front: { color: paint("front"), shape: "circle", size: 48 },
  "one pair everywhere": { color: paint("uniform"), shape: "square", size: 80 },
  "one pair everywhere, predicted": { color: paint("uniform"), shape: "square", size: 80 },
  "beaten by others": { color: paint("faint"), shape: "circle", size: 40 },
};

/** The picked plan is drawn last, on top. */
const planPoints = (axes: Axes, points: readonly Point[], room: Room): Layer => {
  const domain = KINDS.filter((kind) => points.some((point) => point.kind === kind));
  const looks = domain.map((kind) => LOOKS[kind]);
  const legend = { title: null, columns: room === "wide" ? 3 : 1 };
  const isPredicted = `datum.kind === "one pair everywhere, predicted"`;
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
      fillOpacity: { condition: { test: isPredicted, value: 0.15 }, value: 1 },
      stroke: { condition: { test: isPredicted, value: paint("uniform") }, value: paint("card") },
      strokeWidth: { value: 1 },
    },
  };
};

/** Names of uniform plans; of those that were not run only the ones that no other uniform plan beats. */
const planNames = (axes: Axes, points: readonly Point[]): Layer => {
  const uniform = points.filter(({ label }) => label !== "");
  const isBeaten = ({ bits, kl }: Point): boolean =>
    uniform.some((other) => other.bits <= bits && other.kl <= kl && (other.bits < bits || other.kl < kl));
  return {
    data: { values: uniform.filter((point) => point.kind === "one pair everywhere" || !isBeaten(point)) },
    mark: { type: "text", align: "left", dx: 7, dy: -7, fontSize: 11, color: paint("muted"), aria: false },
    encoding: { ...axes, text: { field: "label" } },
  };
};
