import { renderFile } from "./chart/render.ts";
import type { ReportData } from "./data/data.ts";
import { headline } from "./page/headline.ts";
import { renderPage } from "./page/page.ts";
import { reportSections } from "./sections.ts";

/** A chart as an SVG file. */
export interface ChartFile {
  /** Name of the chart, such as `front` or `context`, for its file. */
  readonly id: string;
  readonly svg: string;
}

/** The report as one HTML file that opens offline. Equal studies give equal text. */
export const renderReport = (data: ReportData): Promise<string> =>
  renderPage({
    title: `${data.settings.model.name}: KVTuner report`,
    headline: headline(data),
    sections: reportSections(data),
  });

/** Every chart that the study has data for. */
export const renderCharts = async (data: ReportData): Promise<ChartFile[]> => {
  const files: ChartFile[] = [];
  for (const { id, chart } of reportSections(data))
    if (chart !== undefined) files.push({ id, svg: await renderFile(id, chart) });
  return files;
};

/** The numbers of every chart as Markdown tables. */
export const renderMarkdown = (data: ReportData): string => {
  const tables = reportSections(data).flatMap(({ title, chart }) =>
    chart === undefined ? [] : [`## ${title}`, tableText([chart.table.head, ...chart.table.rows])],
  );
  return `${[`# ${cellText(data.settings.model.name)}: KVTuner report`, ...tables].join("\n\n")}\n`;
};

const tableText = ([head = [], ...rows]: readonly (readonly string[])[]): string =>
  [head, head.map(() => "---"), ...rows].map((row) => `| ${row.map(cellText).join(" | ")} |`).join("\n");

/** Escapes text so that it stays in its cell and adds no markup. */
const cellText = (text: string): string =>
  text.replaceAll(/[\\|<>&*_`[\]]/g, (character) => `\\${character}`).replaceAll(/\s+/g, " ");
