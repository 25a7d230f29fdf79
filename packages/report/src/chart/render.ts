import type { TopLevelSpec } from "vega-lite";
import { escapeText } from "../text/markup.ts";
import type { Chart, ChartWidth } from "./chart.ts";
import { withPlainColors } from "./palette.ts";

/**
 * Draws a chart for a page, which sets the colours. `name` keeps ids apart from those of other charts. Equal charts give
 * equal text. Loads Vega on the first call.
 */
export const renderInline = async (name: string, chart: Chart, chartWidth: ChartWidth): Promise<string> => {
  const svg = await draw(chart.spec(chartWidth));
  const { open, width, inside } = split(svg);
  const style = `max-width:${width}px`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${open} style="${style}" role="graphics-document" aria-label="${escapeText(chart.label)}">${withOwnIds(inside, `${name}-${width}`)}</svg>`;
};

/** Draws a chart as a file of its own, on white. */
export const renderFile = async (name: string, chart: Chart): Promise<string> => {
  const svg = await draw({ ...chart.spec("wide"), background: "#ffffff" });
  const { open, width, height, inside } = split(svg);
  const size = `width="${width}" height="${height}"`;
  return `${withPlainColors(`<svg xmlns="http://www.w3.org/2000/svg" ${size} ${open} role="img"><title>${escapeText(chart.label)}</title>${withOwnIds(inside, name)}</svg>`)}\n`;
};

const draw = async (spec: TopLevelSpec): Promise<string> => {
  const [{ compile }, { View, parse }] = await Promise.all([import("vega-lite"), import("vega")]);
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
};

interface SvgParts {
  /** The `viewBox` attribute. */
  readonly open: string;
  readonly width: string;
  readonly height: string;
  readonly inside: string;
}

/** Replaces Vega's root element, and drops Vega's role descriptions and invisible digits. */
const split = (svg: string): SvgParts => {
  const [, root = "", inside = ""] = /^<svg([^>]*)>([\s\S]*)<\/svg>$/.exec(svg) ?? [];
  const attribute = (name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(root)?.[1] ?? "";
  return {
    open: `viewBox="${attribute("viewBox")}"`,
    width: attribute("width"),
    height: attribute("height"),
    inside: inside
      .replaceAll(/ aria-roledescription="[^"]*"/g, "")
      .replaceAll(/ (?:d|transform)="[^"]*"/g, (numbers) => numbers.replaceAll(/-?\d+\.\d{3,}/g, toHundredths)),
  };
};

/** Finer than any screen. */
const toHundredths = (number: string): string => String(Math.round(Number(number) * 100) / 100);

/** Vega numbers ids over the life of the process; this numbers them per chart. */
const withOwnIds = (svg: string, prefix: string): string => {
  const ids = [...svg.matchAll(/ id="([^"]*)"/g)].map(([, id = ""]) => id);
  return ids.reduce(
    (text, id, index) =>
      text.replaceAll(`id="${id}"`, `id="${prefix}-${index}"`).replaceAll(`url(#${id})`, `url(#${prefix}-${index})`),
    svg,
  );
};
