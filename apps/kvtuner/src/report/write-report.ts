import { existsSync, statSync } from "node:fs";
import { join } from "node:path";

import { OptionKvtunerError, readStudy, STUDY_FILES, systemReason } from "@kvtuner/tuning";

import { writeFileAtomic } from "../study/atomic-file.ts";
import { folderStorage } from "../study/folder-storage.ts";
import { makeFolder } from "../study/make-folder.ts";
import { renderFile } from "./chart/render.ts";
import { reportData, type ReportData, type ReportView } from "./data.ts";
import { renderPage } from "./page/page.ts";
import { reportSections } from "./sections.ts";

/** What a report of the study in `folder` is made of. */
export const studyReport = async (folder: string, view: ReportView = {}): Promise<ReportData> =>
  reportData(await readStudy(folderStorage(folder)), view);

/** Writes `report.html` into a study; returns its path. */
export const writeReport = async (folder: string, data: ReportData): Promise<string> => {
  const path = join(folder, STUDY_FILES.report);
  writeFileAtomic(path, await renderPage(data, reportSections(data)));
  return path;
};

/** Writes every chart that the study has data for as an SVG file into `target`, which is made; returns their paths. */
export const writeCharts = async (data: ReportData, target: string): Promise<string[]> => {
  makeTarget(target);
  const paths: string[] = [];
  for (const { id, chart } of reportSections(data)) {
    if (chart === undefined) continue;
    const path = join(target, `${id}.svg`);
    writeFileAtomic(path, await renderFile(id, chart));
    paths.push(path);
  }
  return paths;
};

const makeTarget = (target: string): void => {
  const refuse = (reason: string): never => {
    throw new OptionKvtunerError("svg", "a folder, or where one can be made", `${target}: ${reason}`);
  };
  if (existsSync(target) && !statSync(target).isDirectory()) refuse("it is a file");
  try {
    makeFolder(target);
  } catch (cause) {
    refuse(systemReason(cause));
  }
};
