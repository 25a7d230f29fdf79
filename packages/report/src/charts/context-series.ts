import { formatBytes, type LayerScheme } from "@kvtuner/plan";
import { planCost, planLayers, uniformPlan } from "@kvtuner/tuning";
import type { Column } from "../chart/chart.ts";
import { bytesOfLayers, EXACT_LAYER, largestContext, type BytesAt } from "../data/cache-bytes.ts";
import type { ReportData } from "../data/data.ts";
import { tokensText } from "../text/figures.ts";

/** A way to store the cache, and its bytes. */
export interface Series {
  readonly name: string;
  readonly role: "picked" | "uniform" | "exact";
  readonly bytesAt: BytesAt;
  /** Bytes at the context length. */
  readonly bytes: number;
  /** Longest context that fits the budget; undefined without one. */
  readonly bought: number | undefined;
}

/** The picked plan, up to three uniform plans near it, and 16 bits; smallest first. */
export const contextSeries = (data: ReportData): Series[] => {
  const { picked, settings, space } = data;
  const everywhere = (layer: LayerScheme): LayerScheme[] => Array.from({ length: settings.shape.layers }, () => layer);
  const uniform = uniformAround(data).flatMap((choice) => {
    const { label } = space.choices[choice]!;
    return series(data, `${label} everywhere`, "uniform", planLayers(space, uniformPlan(space, choice)));
  });
  return [
    ...(picked === undefined ? [] : [series(data, "picked plan", "picked", picked.plan.layers)]),
    ...uniform,
    series(data, "16 bits", "exact", everywhere(EXACT_LAYER)),
  ].toSorted((one, other) => one.bytes - other.bytes);
};

const series = (
  { settings, context, budget }: ReportData,
  name: string,
  role: Series["role"],
  layers: readonly LayerScheme[],
): Series => {
  const bytesAt = bytesOfLayers(layers, settings.shape);
  const bought = budget === undefined ? undefined : largestContext(bytesAt, layers, settings.shape, budget);
  return { name, role, bytesAt, bytes: bytesAt(context), bought };
};

/**
 * The largest pair and the picked plan's neighbours in bytes, or the smallest pair if no plan is picked. Of plans with equal
 * bytes only one is shown, preferably the picked plan.
 */
const uniformAround = ({ space, picked }: ReportData): number[] => {
  const size = (choice: number): number => planCost(space, uniformPlan(space, choice)).bytes;
  const sorted = [...space.choices.keys()]
    .filter((pair) => size(pair) !== picked?.bytes)
    .toSorted((one, other) => size(one) - size(other));
  const near =
    picked === undefined
      ? [sorted[0]]
      : [sorted.findLast((pair) => size(pair) < picked.bytes), sorted.find((pair) => size(pair) > picked.bytes)];
  const shown = [...near, sorted.at(-1)].filter((pair) => pair !== undefined);
  return shown.filter((pair, index) => shown.findIndex((other) => size(other) === size(pair)) === index);
};

/** The last drawn lies on top. */
export const pickedLast = (all: readonly Series[]): Series[] => [
  ...all.filter(({ role }) => role !== "picked"),
  ...all.filter(({ role }) => role === "picked"),
];

/** Tooltip of a series. */
export const seriesColumns = ({ context, budget }: ReportData): Column<Series>[] => [
  { title: "Cache", text: ({ name }) => name },
  { title: `Bytes at ${tokensText(context)} tokens`, text: ({ bytes }) => formatBytes(bytes) },
  { title: "Bytes a token", text: ({ bytes }) => formatBytes(Math.round(bytes / context)) },
  ...(budget === undefined
    ? []
    : [
        {
          title: `Tokens in ${formatBytes(budget)}`,
          text: ({ bought }: Series) => (bought === undefined ? "" : tokensText(bought)),
        },
      ]),
];
