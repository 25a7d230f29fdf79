import { formatBytes } from "@kvtuner/plan";
import type { Comparison, ComparisonRow } from "@kvtuner/tuning";
import { tableOf, tipped, type Chart, type ChartWidth, type Column, type Tipped } from "./chart/chart.ts";
import { decadesOf } from "./chart/decades.ts";
import { paint } from "./chart/palette.ts";
import { renderFile } from "./chart/render.ts";
import { layered, type Layer, type Position } from "./chart/spec.ts";
import { bitsAxis, bitsRange, errorBars, type Axes } from "./charts/plan-points.ts";
import { renderPage } from "./page/page.ts";
import { bitsText, klText, percentText, tokensText } from "./text/figures.ts";
import { html, type Markup } from "./text/markup.ts";

/** A comparison of methods as files. */
export interface ComparisonFiles {
  /** One HTML file that opens offline. */
  readonly page: string;
  /** The chart of the page as an SVG file. */
  readonly chart: string;
}

/** The table and the chart of a comparison. Equal comparisons give equal text. */
export const renderComparison = async (comparison: Comparison): Promise<ComparisonFiles> => {
  const chart = comparisonChart(comparison);
  const section = { id: "methods", title: "Loss against bits", text: explanation(comparison), chart };
  const title = `${comparison.model.name}: KVTuner comparison`;
  const page = await renderPage({ title, headline: headline(comparison), sections: [section] });
  return { page, chart: await renderFile(section.id, chart) };
};

/** Columns of a comparison's table. Those without a figure in any row are left out. */
export const comparisonColumns = ({ rows, context }: Comparison): Column<ComparisonRow>[] => {
  const hasTask = rows.some(({ task }) => task !== undefined);
  const hasTime = rows.some(({ decodeTime }) => decodeTime !== undefined);
  return [
    { title: "Method", text: ({ title }) => title },
    { title: "Setting", text: ({ label }) => label },
    { title: `True bits at ${tokensText(context)}`, text: ({ bits }) => bitsText(bits) },
    { title: "KL", text: ({ kl }) => klText(kl) },
    { title: "+-", text: ({ klStandardError }) => (klStandardError === 0 ? "" : klStandardError.toPrecision(2)) },
    { title: "KL, 99.9th percentile", text: ({ klTail }) => klText(klTail) },
    { title: "Perplexity", text: ({ perplexity }) => perplexity.toPrecision(5) },
    { title: "Top-1", text: ({ top1 }) => percentText(top1) },
    ...(hasTask ? [{ title: "Accuracy", text: accuracyText }] : []),
    { title: "Tables", text: ({ assetBytes }) => (assetBytes === 0 ? "" : formatBytes(assetBytes)) },
    ...(hasTime ? [{ title: "Decode time", text: timeText }] : []),
  ];
};

const accuracyText = ({ task }: ComparisonRow): string =>
  task === undefined ? "" : `${percentText(task.accuracy)} +- ${percentText(task.accuracyStandardError)}`;

const timeText = ({ decodeTime }: ComparisonRow): string =>
  decodeTime === undefined ? "" : `${decodeTime.toFixed(2)}x`;

const headline = ({ model, rows, floatPerplexity }: Comparison): Markup =>
  html`<header>
    <p class="kicker">KVTuner comparison</p>
    <h1>${model.name}</h1>
    <p class="lead">
      ${rows.length} settings of ${new Set(rows.map(({ method }) => method)).size} methods. The float cache has
      perplexity ${floatPerplexity.toPrecision(5)}.
    </p>
  </header> `;

const explanation = ({ context, scoredOn, tunedOn, levels }: Comparison): Markup =>
  html`<p>
    Each method at its own settings nearest to ${levels.join(", ")} true bits at ${tokensText(context)} tokens. True
    bits count codes, scales and exact tokens, but not static tables. KL is to the float cache, nats a token, on
    ${scoredOn}. Plans of KVTuner take at most the named bits and were tuned on ${tunedOn}.
  </p>`;

interface Point extends Tipped<ComparisonRow> {
  readonly low: number;
  readonly high: number;
}

/** A logarithmic axis needs numbers above 0. */
const SMALLEST_KL = 1e-7;

/** Settings of more bits above the highest level are in the table only. */
const BEYOND_LEVELS = 1.5;

const comparisonChart = (comparison: Comparison): Chart => {
  const columns = comparisonColumns(comparison);
  const most = Math.max(...comparison.levels) + BEYOND_LEVELS;
  const near = comparison.rows.filter(({ bits }) => bits <= most);
  const rows = (near.length > 0 ? near : comparison.rows).toSorted((one, other) => one.bits - other.bits);
  const points = tipped(columns, rows).map((row): Point => {
    const kl = Math.max(SMALLEST_KL, row.kl);
    return { ...row, kl, low: Math.max(kl / 10, kl - row.klStandardError), high: kl + row.klStandardError };
  });
  return {
    label: "Loss against bits of each method's settings",
    spec: (width) => {
      const axes = axesOf(comparison, points, width);
      return layered(width, 460, [errorBars(axes, errorPoints(points)), methodLines(axes, points, width)]);
    },
    table: tableOf(columns, comparison.rows),
  };
};

/** Error bars need no kind. */
const errorPoints = (points: readonly Point[]): Parameters<typeof errorBars>[1] =>
  points.map((point) => ({ ...point, kind: "front" as const }));

const axesOf = ({ context }: Comparison, points: readonly Point[], width: ChartWidth): Axes => {
  const decades = decadesOf(points.map(({ kl }) => kl));
  const y: Position = {
    field: "kl",
    type: "quantitative",
    scale: { type: "log", domain: [decades[0] ?? SMALLEST_KL, decades.at(-1) ?? 1], nice: false, clamp: true },
    title: width === "wide" ? "loss: KL to the float cache, nats a token" : "loss: KL, nats a token",
    axis: { format: "~g", values: decades },
  };
  return { x: bitsAxis(bitsRange(errorPoints(points)), context, width), y };
};

const COLORS = ["front", "uniform", "other", "muted", "ink", "faint"] as const;
const SHAPES = ["circle", "square", "triangle-up", "triangle-down"];

const TUNED_SHAPES = ["diamond", "triangle-right", "triangle-left"];

/** A line for each method through its settings. All tuned plans have one colour. */
const methodLines = (axes: Axes, points: readonly Point[], width: ChartWidth): Layer => {
  const titles = [...new Set(points.map(({ title }) => title))];
  const tuned = titles.filter((title) => points.some((point) => point.title === title && isTuned(point)));
  const looks = titles.map((title, index) =>
    tuned.includes(title)
      ? { color: paint("picked"), shape: TUNED_SHAPES[tuned.indexOf(title) % TUNED_SHAPES.length]! }
      : { color: paint(COLORS[index % COLORS.length]!), shape: SHAPES[index % SHAPES.length]! },
  );
  const legend = { title: null, columns: width === "wide" ? 2 : 1 };
  const color = {
    field: "title",
    type: "nominal",
    scale: { domain: titles, range: looks.map((look) => look.color) },
    legend,
  } as const;
  const shape = {
    field: "title",
    type: "nominal",
    scale: { domain: titles, range: looks.map((look) => look.shape) },
    legend,
  } as const;
  return {
    data: { values: [...points] },
    layer: [
      { mark: { type: "line", strokeWidth: 1.5, aria: false }, encoding: { ...axes, color, order: { field: "bits" } } },
      {
        mark: { type: "point", filled: true, opacity: 1, size: 80 },
        encoding: { ...axes, color, shape, description: { field: "tip" } },
      },
    ],
  };
};

const isTuned = ({ method }: ComparisonRow): boolean => method.startsWith("kvtuner-");
