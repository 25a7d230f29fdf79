import { flagOption, type Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { JSON_OPTION, REPORT_OPTIONS } from "../options.ts";
import { report } from "../report.ts";
import { examples } from "./examples.ts";
import { withOptions } from "./options.ts";
import { type Terminal, warn } from "./terminal.ts";

const FLAGS = { ...REPORT_OPTIONS, open: flagOption("open the report in the browser"), ...JSON_OPTION };

/** `kvtuner report STUDY`. */
export const reportCommand = (terminal: Terminal): Command =>
  withOptions(new Command("report"), FLAGS)
    .description("write a study's report again: one HTML file that opens offline")
    .argument("<study>", "study folder written by tune")
    .addHelpText("after", EXAMPLES)
    .action(async (study: string, { json, open: opens, ...options }: Given<typeof FLAGS>) => {
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
