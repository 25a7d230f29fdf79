import { Command } from "commander";

import { report } from "../report.ts";
import { bytes, number } from "./arguments.ts";
import { examples } from "./examples.ts";
import { type Terminal, warn } from "./terminal.ts";

interface ReportFlags {
  readonly svg?: string;
  readonly open?: true;
  readonly budget?: number;
  readonly context?: number;
  readonly json?: true;
}

/** `kvtuner report STUDY`. */
export const reportCommand = (terminal: Terminal): Command =>
  new Command("report")
    .description("write the report of a study again: one HTML file that opens without a network")
    .argument("<study>", "folder that tune wrote")
    .option("--svg <dir>", "write each chart as an SVG file into this folder too")
    .option("--open", "open the report in the browser")
    .option("--budget <bytes>", "show how long a context fits, like 40MB (default: what the plan was picked by)", bytes)
    .option("--context <n>", "tokens at which bytes are counted (default: the study's)", number)
    .option("--json", "print one JSON document on stdout")
    .addHelpText("after", EXAMPLES)
    .action(async (study: string, { json, open: opens, ...options }: ReportFlags) => {
      const written = await report({ study, ...options });
      terminal.out(`${json === true ? JSON.stringify(written) : [written.page, ...written.charts].join("\n")}\n`);
      if (opens === true) await openPage(written.page, terminal);
    });

const EXAMPLES = examples([
  ["kvtuner report studies/mine --open", "write it and look at it"],
  [
    "kvtuner report studies/mine --budget 40MB --svg charts",
    "how long a context 40 MB hold; every chart as a file too",
  ],
]);

/** The report is written by then: a machine without a browser is no failure. */
const openPage = async (page: string, terminal: Terminal): Promise<void> => {
  try {
    const { default: open } = await import("open");
    const browser = await open(page);
    browser.once("error", () => warn(terminal, cannotOpen(page)));
  } catch {
    warn(terminal, cannotOpen(page));
  }
};

const cannotOpen = (page: string): string => `no browser could be started; open ${page} in one`;
