import { formatBytes } from "@kvtuner/plan";
import type { TaskFigures } from "@kvtuner/tuning";
import type { TopLevelSpec } from "vega-lite";
import { tableOf, tipped, type Chart, type Column, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { labelledRule } from "../chart/labelled-rule.ts";
import { paint } from "../chart/palette.ts";
import { layered, type Layer, type Position } from "../chart/spec.ts";
import type { PricedEntry, ReportData } from "../data/data.ts";
import { bitsText, choiceLabels, klText, pairCounts, percentText, tokensText } from "../text/figures.ts";
import { frontLine } from "./front-line.ts";
import { kindOf, type FrontRow } from "./front-rows.ts";
import { bitsAxis, bitsRange, errorBars, limitLine, planNames, planPoints } from "./plan-points.ts";

/** A plan evaluated on prompts. */
interface AccuracyRow extends PricedEntry {
  readonly task: TaskFigures;
  readonly kind: FrontRow["kind"];
  readonly label: string;
  readonly accuracy: number;
}

interface AccuracyPoint extends Tipped<AccuracyRow> {
  readonly low: number;
  readonly high: number;
}

/** Bits against accuracy with standard errors, and the 16-bit cache's accuracy as a line. */
export const accuracyChart = (data: ReportData): Chart => {
  const rows = accuracyRows(data);
  const columns = accuracyColumns(data);
  const points = tipped(columns, rows).map((row) => ({ ...row, ...errorBar(row.task) }));
  return {
    label: "Accuracy against bits of the evaluated plans",
    spec: (width) => accuracySpec(data, points, width),
    table: tableOf(columns, rows),
  };
};

const accuracyRows = ({ evaluated }: ReportData): AccuracyRow[] =>
  evaluated
    .flatMap((entry) => (entry.task === undefined ? [] : [rowOf(entry, entry.task)]))
    .toSorted((one, other) => one.bits - other.bits || other.accuracy - one.accuracy);

const rowOf = (entry: PricedEntry, task: TaskFigures): AccuracyRow => ({
  ...entry,
  task,
  kind: kindOf(entry),
  label: entry.uniform ?? "",
  accuracy: task.accuracy,
});

const errorBar = ({ accuracy, accuracyStandardError }: TaskFigures): { low: number; high: number } => ({
  low: Math.max(0, accuracy - accuracyStandardError),
  high: Math.min(1, accuracy + accuracyStandardError),
});

const accuracyColumns = ({ context, space }: ReportData): Column<AccuracyRow>[] => [
  { title: "Plan", text: ({ kind, label }) => (label === "" ? kind : `${kind} (${label})`) },
  { title: "True bits", text: ({ bits }) => bitsText(bits) },
  { title: "Equivalent bits", text: ({ equivalentBits }) => bitsText(equivalentBits) },
  { title: `Bytes at ${tokensText(context)} tokens`, text: ({ bytes }) => formatBytes(bytes) },
  { title: "Right answers", text: ({ accuracy }) => percentText(accuracy) },
  { title: "Standard error", text: ({ task }) => percentText(task.accuracyStandardError) },
  { title: "With the 16-bit cache", text: ({ task }) => percentText(task.floatAccuracy) },
  { title: "McNemar's p", text: ({ task }) => task.pValue.toPrecision(2) },
  { title: "Prompts asked", text: ({ task }) => String(task.prompts) },
  { title: "KL on the answers, nats a token", text: ({ kl }) => klText(kl) },
  { title: "Pairs x layers", text: ({ pairs }) => pairCounts(pairs, choiceLabels(space)) },
];

const accuracySpec = (data: ReportData, points: readonly AccuracyPoint[], width: ChartWidth): TopLevelSpec => {
  const range = bitsRange(points);
  const axes = { x: bitsAxis(range, data.context, width), y: accuracyAxis(points, width) };
  return layered(width, 380, [
    ...floatLine(axes.y, points),
    frontLine(axes, points, ({ accuracy }) => -accuracy),
    ...limitLine(axes, data.limit, range),
    errorBars(axes, points),
    planPoints(axes, points, width),
    ...planNames(
      axes,
      points.filter(({ label }) => label !== ""),
      "below",
    ),
  ]);
};

const accuracyAxis = (points: readonly AccuracyPoint[], width: ChartWidth): Position => ({
  field: "accuracy",
  type: "quantitative",
  title: width === "wide" ? "prompts answered right, with standard errors" : "answered right",
  scale: {
    domain: [Math.max(0, points.reduce((least, { low }) => Math.min(least, low), Infinity) - 0.02), 1],
    nice: true,
  },
  axis: { format: ".0%" },
});

/** The float cache's accuracy on all prompts. */
const floatLine = (y: Position, points: readonly AccuracyPoint[]): Layer[] => {
  const whole = points.find(({ task }) => task.isComplete);
  if (whole === undefined) return [];
  const row = { accuracy: whole.task.floatAccuracy, text: "16-bit cache" };
  return labelledRule({ y }, row, paint("ink"), { align: "left", baseline: "bottom", x: 0, dx: 4, dy: -3 });
};
