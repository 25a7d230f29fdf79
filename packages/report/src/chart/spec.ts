import type { TopLevelSpec } from "vega-lite";
import { WIDTH, type ChartWidth } from "./chart.ts";
import { THEME } from "./theme.ts";

type LayeredSpec = Extract<TopLevelSpec, { layer: unknown }>;

/** One layer of a chart. */
export type Layer = LayeredSpec["layer"][number];

type Encoding = NonNullable<Exclude<Layer, { layer: unknown }>["encoding"]>;

/** Where marks stand along an axis. */
export type Position = Extract<NonNullable<Encoding["x"]>, { title?: unknown }>;

/** Layers drawn on top of each other, with axes and legends as wide as the page or phone allows. */
export const layered = (width: ChartWidth, height: number, layer: Layer[]): TopLevelSpec => ({
  $schema: "https://vega.github.io/schema/vega-lite/v6.json",
  width: WIDTH[width],
  height,
  autosize: { type: "fit", contains: "padding" },
  config: THEME,
  layer,
});
