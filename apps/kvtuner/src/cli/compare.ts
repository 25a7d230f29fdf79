import { comparisonColumns } from "@kvtuner/report";
import { COMPARISON_FILES, type Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { compare, type CompareResult } from "../compare.ts";
import { COMPARE_OPTIONS, OUTPUT_OPTIONS } from "../options.ts";
import { plainTable } from "../plain-table.ts";
import { examples } from "./examples.ts";
import type { Interrupt } from "./interrupt.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

type CompareFlags = Given<typeof COMPARE_OPTIONS & typeof OUTPUT_OPTIONS>;

/** `kvtuner compare MODEL`. */
export const compareCommand = (terminal: Terminal, signal: AbortSignal, interrupt: Interrupt): Command =>
  withOptions(new Command("compare"), { ...COMPARE_OPTIONS, ...OUTPUT_OPTIONS })
    .description("compare published methods with plans tuned per layer at equal true bits; resumes the one in --out")
    .argument("<model>", MODEL_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, { json, quiet, ...flags }: CompareFlags) => {
      const view = progressView(terminal, quiet === true);
      interrupt.say("measurements so far are saved");
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await compare({ model, ...flags, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : summary(result));
    });

const EXAMPLES = examples([
  ["kvtuner compare smollm2", "all methods at 2 to 5 true bits, on the model's own text"],
  ["kvtuner compare smollm2 --methods kivi,kvtuner --bits 3,4 --text book.txt", "two methods on your own text"],
  ["kvtuner compare model.gguf --task gsm8k.jsonl --shots 4", "with accuracy on a task"],
]);

const summary = (result: CompareResult): string => {
  const columns = comparisonColumns(result);
  const table = plainTable(
    columns.map(({ title }) => title),
    result.rows.map((row) => columns.map(({ text }) => text(row))),
  );
  const { scoredOn, tunedOn, floatPerplexity, out, timeMs } = result;
  return `${[
    table,
    `scored on ${scoredOn}; tuned and calibrated on ${tunedOn}`,
    `float cache: perplexity ${floatPerplexity.toPrecision(5)}; ${((timeMs["total"] ?? 0) / 1000).toFixed(1)} s`,
    `chart: ${out}/${COMPARISON_FILES.page}`,
  ].join("\n")}\n`;
};
