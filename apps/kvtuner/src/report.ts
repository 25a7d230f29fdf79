import { wholeNumber } from "@kvtuner/tuning";

import { studyReport, writeCharts, writeReport } from "./report/write-report.ts";

/** Options of {@link report}. */
export interface ReportOptions {
  /** Folder of a study. */
  readonly study: string;
  /** Folder to write each chart into, as an SVG file of its own. */
  readonly svg?: string;
  /** Bytes: shows how long a context they hold; what the plan was picked by, by default. */
  readonly budget?: number;
  /** Tokens at which bytes are counted; the study's by default. */
  readonly context?: number;
}

/** What {@link report} wrote. */
export interface ReportResult {
  /** Path of the page. */
  readonly page: string;
  /** Paths of the charts, where they were asked for. */
  readonly charts: readonly string[];
}

/**
 * Writes the report of a study again: one HTML file in its folder that opens without a network. A study that is not
 * done gives a report that says what is missing.
 *
 * @throws KvtunerError when there is no study, a file of it cannot be read, or an option makes no sense.
 */
export const report = async ({ study, svg, budget, context }: ReportOptions): Promise<ReportResult> => {
  const data = await studyReport(study, {
    ...(budget !== undefined && { budget: wholeNumber("budget", budget, 1) }),
    ...(context !== undefined && { context: wholeNumber("context", context, 1) }),
  });
  const page = await writeReport(study, data);
  const charts = svg === undefined ? [] : await writeCharts(data, svg);
  return { page, charts };
};
