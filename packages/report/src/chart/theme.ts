import type { Config } from "vega-lite";
import { paint } from "./palette.ts";

const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/** How every chart looks. Axes and legends are hidden from screen readers, which have the table. */
export const THEME: Config = {
  font: FONT,
  // The page, or the file, sets the background.
  background: "transparent",
  padding: 4,
  view: { stroke: null },
  axis: {
    aria: false,
    labelColor: paint("muted"),
    titleColor: paint("ink"),
    titleFontWeight: 500,
    titleFontSize: 12,
    labelFontSize: 11,
    gridColor: paint("grid"),
    domainColor: paint("grid"),
    tickColor: paint("grid"),
    titlePadding: 8,
  },
  legend: {
    aria: false,
    orient: "top",
    labelColor: paint("ink"),
    titleColor: paint("muted"),
    titleFontWeight: 500,
    labelFontSize: 12,
    titleFontSize: 12,
    labelLimit: 320,
    titleLimit: 420,
    symbolSize: 90,
  },
};
