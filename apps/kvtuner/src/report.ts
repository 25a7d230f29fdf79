import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { renderCharts, renderReport, reportData, type ReportData, type ReportView } from "@kvtuner/report";
import { fillOptions, type Given, OptionError, readStudy, STUDY_FILES, systemReason } from "@kvtuner/tuning";
import { REPORT_OPTIONS } from "./options.ts";
import { writeFileAtomic } from "./study/atomic-file.ts";
import { folderStorage } from "./study/folder-storage.ts";
import { makeFolder } from "./study/make-folder.ts";

/** Options of {@link report}. */
export interface ReportOptions extends Given<typeof REPORT_OPTIONS> {
  /** Folder of a study. */
  readonly study: string;
}

/** Files written by {@link report}. */
export interface ReportResult {
  /** Path of the page. */
  readonly page: string;
  /** Paths of the charts, if requested. */
  readonly charts: readonly string[];
}

/**
 * Writes the report of a study again: one HTML file in its folder that opens without a network. A study that is not
 * done gives a report that says what is missing.
 *
 * @throws KvtunerError when there is no study, a file of it cannot be read, or an option makes no sense.
 */
export const report = async ({ study, ...options }: ReportOptions): Promise<ReportResult> => {
  const { svg, ...view } = fillOptions(REPORT_OPTIONS, options);
  const { page, data } = await writeReport(study, view);
  return { page, charts: svg === undefined ? [] : await writeCharts(data, svg) };
};

/** Writes `report.html` into a study; returns its path and what it was made of. */
export const writeReport = async (
  folder: string,
  view: ReportView = {},
): Promise<{ readonly page: string; readonly data: ReportData }> => {
  const data = reportData(await readStudy(folderStorage(folder)), view);
  const page = join(folder, STUDY_FILES.report);
  writeFileAtomic(page, await renderReport(data));
  return { page, data };
};

const writeCharts = async (data: ReportData, target: string): Promise<string[]> => {
  makeTarget(target);
  const charts = (await renderCharts(data)).map(({ id, svg }) => ({ path: join(target, `${id}.svg`), svg }));
  for (const { path, svg } of charts) writeFileAtomic(path, svg);
  return charts.map(({ path }) => path);
};

const makeTarget = (target: string): void => {
  const refuse = (reason: string): never => {
    throw new OptionError("svg", "a folder, or where one can be made", `${target}: ${reason}`);
  };
  if (existsSync(target) && !statSync(target).isDirectory()) refuse("it is a file");
  try {
    makeFolder(target);
  } catch (cause) {
    refuse(systemReason(cause));
  }
};
