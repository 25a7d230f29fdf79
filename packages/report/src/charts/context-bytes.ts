import { formatBytes } from "@kvtuner/plan";
import type { TopLevelSpec } from "vega-lite";
import { tableOf, tipped, type Chart, type Column, type ChartWidth, type Tipped } from "../chart/chart.ts";
import { labelledRule } from "../chart/labelled-rule.ts";
import { paint } from "../chart/palette.ts";
import { layered, type Layer, type Position } from "../chart/spec.ts";
import type { ReportData } from "../data/data.ts";
import { tokensText } from "../text/figures.ts";
import { contextSeries, pickedLast, seriesColumns, type Series } from "./context-series.ts";

/** A cache at a length. */
interface LengthRow {
  readonly name: string;
  readonly tokens: number;
  readonly bytes: number;
  /** Where it meets the budget. */
  readonly isBought: boolean;
}

/** Bytes against context, with the budget and the longest context that fits it. */
export const contextBytesChart = (data: ReportData): Chart => {
  const series = contextSeries(data);
  const range = shownRange(data, series);
  const columns: Column<LengthRow>[] = [
    { title: "Cache", text: ({ name, isBought }) => (isBought ? `${name}, as far as the budget goes` : name) },
    { title: "Context", text: ({ tokens }) => `${tokensText(tokens)} tokens` },
    { title: "Takes", text: ({ bytes }) => formatBytes(bytes) },
  ];
  const rows = tipped(columns, lengthRows(pickedLast(series), range));
  return {
    label: "Bytes of the cache against the length of the context",
    spec: (width) => contextSpec({ series, rows, range, budget: data.budget }, width),
    table: tableOf(seriesColumns(data), series),
  };
};

/** What the axes show. */
interface Range {
  readonly step: number;
  readonly tokens: number;
  readonly bytes: number;
  readonly unit: { readonly name: string; readonly bytes: number };
}

/** One and a half times the context, or slightly beyond the budget's context. Steps are powers of two. */
const shownRange = ({ context, budget, picked }: ReportData, series: readonly Series[]): Range => {
  const plan = series.find(({ role }) => role === "picked") ?? series[0];
  const farthest = Math.max(
    context * 1.5,
    (budget === undefined || picked === undefined ? 0 : (plan?.bought ?? 0)) * 1.2,
  );
  const step = 2 ** Math.max(0, Math.round(Math.log2(farthest / 6)));
  const tokens = step * Math.ceil(farthest / step);
  const most = Math.max(...series.map(({ bytesAt }) => bytesAt(tokens)));
  const bytes = budget === undefined ? most : Math.min(most, Math.max(2 * budget, (plan?.bytesAt(tokens) ?? 0) * 1.2));
  return { step, tokens, bytes, unit: unitOf(bytes) };
};

const UNITS = ["B", "KB", "MB", "GB", "TB"];

const unitOf = (bytes: number): Range["unit"] => {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return { name: UNITS[power] ?? "B", bytes: 1000 ** power };
};

const lengthRows = (series: readonly Series[], { step, tokens }: Range): LengthRow[] => {
  const lengths = Array.from({ length: tokens / step + 1 }, (_, index) => index * step);
  return series.flatMap(({ name, bytesAt, bought }) => [
    ...lengths.map((length) => ({ name, tokens: length, bytes: bytesAt(length), isBought: false })),
    ...(bought === undefined || bought > tokens || bought === 0
      ? []
      : [{ name, tokens: bought, bytes: bytesAt(bought), isBought: true }]),
  ]);
};

interface Look {
  readonly color: string;
  readonly dash: number[];
}

const UNIFORM_LOOKS: readonly Look[] = [
  { color: paint("uniform"), dash: [2, 3] },
  { color: paint("other"), dash: [7, 4] },
  { color: paint("front"), dash: [7, 3, 2, 3] },
];

const looksOf = (series: readonly Series[]): Look[] => {
  const uniform = series.filter(({ role }) => role === "uniform");
  return series.map((one) => {
    if (one.role === "picked") return { color: paint("picked"), dash: [1, 0] };
    if (one.role === "exact") return { color: paint("ink"), dash: [1, 0] };
    return UNIFORM_LOOKS[uniform.indexOf(one) % UNIFORM_LOOKS.length] ?? { color: paint("uniform"), dash: [1, 0] };
  });
};

interface Parts {
  readonly series: readonly Series[];
  readonly rows: readonly Tipped<LengthRow>[];
  readonly range: Range;
  readonly budget: number | undefined;
}

const contextSpec = ({ series, rows, range, budget }: Parts, width: ChartWidth): TopLevelSpec => {
  const sized = rows.map((row) => ({ ...row, size: row.bytes / range.unit.bytes }));
  const axes = { x: tokensAxis(range, width), y: sizeAxis(range) };
  const bought = series.find(({ role }) => role === "picked")?.bought;
  return layered(width, 360, [
    lines(
      axes,
      series,
      sized.filter(({ bytes }) => bytes <= range.bytes * 1.5),
      width,
    ),
    ...(budget === undefined ? [] : budgetLine(axes, budget, range)),
    ...(bought === undefined || bought > range.tokens ? [] : boughtLine(axes, bought)),
    dots(
      axes,
      series,
      sized.filter(({ bytes }) => bytes <= range.bytes),
    ),
  ]);
};

interface Axes {
  readonly x: Position;
  readonly y: Position;
}

const tokensAxis = ({ step, tokens }: Range, width: ChartWidth): Position => {
  const every = width === "wide" ? step : 2 * step;
  return {
    field: "tokens",
    type: "quantitative",
    title: "context, tokens",
    scale: { domain: [0, tokens], nice: false },
    axis: { values: Array.from({ length: Math.floor(tokens / every) + 1 }, (_, index) => index * every), format: ",d" },
  };
};

const sizeAxis = ({ bytes, unit }: Range): Position => ({
  field: "size",
  type: "quantitative",
  title: `cache, ${unit.name}`,
  scale: { domain: [0, bytes / unit.bytes], nice: false },
  axis: { tickCount: 6, format: ",~r" },
});

interface SizedRow extends Tipped<LengthRow> {
  readonly size: number;
}

const lines = (axes: Axes, series: readonly Series[], values: SizedRow[], width: ChartWidth): Layer => {
  const looks = looksOf(series);
  const domain = series.map(({ name }) => name);
  const columns = width === "wide" ? 3 : 1;
  const legend = { title: null, columns, symbolType: "stroke", symbolStrokeWidth: 2.5, symbolSize: 400 };
  const dashes = looks.map(({ dash }) => dash);
  return {
    data: { values },
    mark: { type: "line", strokeWidth: 2, clip: true, aria: false },
    encoding: {
      ...axes,
      color: { field: "name", type: "nominal", scale: { domain, range: looks.map(({ color }) => color) }, legend },
      strokeDash: { field: "name", type: "nominal", scale: { domain, range: dashes }, legend },
      order: { field: "tokens" },
    },
  };
};

const budgetLine = ({ y }: Axes, budget: number, { unit }: Range): Layer[] => {
  const row = { size: budget / unit.bytes, text: `budget ${formatBytes(budget)}` };
  const place = { align: "right", baseline: "bottom", x: "width", dx: -4, dy: -4, fontSize: 12 } as const;
  return labelledRule({ y }, row, paint("ink"), place);
};

const boughtLine = ({ x }: Axes, bought: number): Layer[] => {
  const row = { tokens: bought, text: `${tokensText(bought)} tokens` };
  const words = { fontWeight: 600, fontSize: 12 } as const;
  const place = { align: "right", baseline: "bottom", dx: -6, y: "height", dy: -6, ...words } as const;
  return labelledRule({ x }, row, paint("picked"), place);
};

const dots = (axes: Axes, series: readonly Series[], values: SizedRow[]): Layer => ({
  data: { values },
  mark: { type: "point", filled: true, opacity: 1 },
  encoding: {
    ...axes,
    description: { field: "tip" },
    color: {
      field: "name",
      type: "nominal",
      scale: { domain: series.map(({ name }) => name), range: looksOf(series).map(({ color }) => color) },
    },
    size: { condition: { test: "datum.isBought", value: 110 }, value: 26 },
  },
});
