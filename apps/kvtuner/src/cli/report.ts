import { Command } from "commander";
import { report } from "../report.ts";
import { examples } from "./examples.ts";
import { bytes, number } from "./options.ts";
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
    .description("write a study's report again: one HTML file that opens offline")
    .argument("<study>", "study folder written by tune")
    .option("--svg <dir>", "also write each chart as an SVG file to this folder")
    .option("--open", "open the report in the browser")
    .option(
      "--budget <bytes>",
      "budget such as 40MB: show the context length that fits (default: the study's limit)",
      bytes,
    )
    .option("--context <n>", "context length in tokens for byte counts (default: the study's)", number)
    .option("--json", "print one JSON document to stdout")
    .addHelpText("after", EXAMPLES)
    .action(async (study: string, { json, open: opens, ...options }: ReportFlags) => {
      const written = await report({ study, ...options });
      terminal.out(`${json === true ? JSON.stringify(written) : [written.page, ...written.charts].join("\n")}\n`);
      if (opens === true) await openPage(written.page, terminal);
    });

const EXAMPLES = examples([
  ["kvtuner report studies/mine --open", "write it and open it"],
  [
    "kvtuner report studies/mine --budget 40MB --svg charts",
    "the context length that fits 40 MB; charts saved as files",
  ],
]);

/** The report is already written, so a machine without a browser is not a failure. */
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
