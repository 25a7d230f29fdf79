import { assetBytes, formatBytes } from "@kvtuner/plan";
import type { Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { calibrate, type CalibrateResult } from "../calibrate.ts";
import { CALIBRATION_OPTIONS, OUTPUT_OPTIONS } from "../options.ts";
import { examples } from "./examples.ts";
import type { Interrupt } from "./interrupt.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

type CalibrateFlags = Given<typeof CALIBRATION_OPTIONS & typeof OUTPUT_OPTIONS>;

/** `kvtuner calibrate MODEL`. */
export const calibrateCommand = (terminal: Terminal, signal: AbortSignal, interrupt: Interrupt): Command =>
  withOptions(new Command("calibrate"), { ...CALIBRATION_OPTIONS, ...OUTPUT_OPTIONS })
    .description("write the plan of a published method for a model, with its static tables")
    .argument("<model>", MODEL_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, { json, quiet, method, ...flags }: CalibrateFlags) => {
      const view = progressView(terminal, quiet === true);
      interrupt.say("nothing was written");
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await calibrate({ model, method: method!, ...flags, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(figures(result))}\n` : summary(result));
    });

const EXAMPLES = examples([
  ["kvtuner calibrate smollm2 --method kivi --setting K4V2", "KIVI's plan, which needs no tables"],
  ["kvtuner calibrate smollm2 --method fp8 --bits 8 --text book.txt", "the setting nearest to 8 true bits"],
]);

/** Tables are in their file, not in the output. */
const figures = ({ plan, ...result }: CalibrateResult): object => ({
  ...result,
  layers: plan.layers,
  assetBytes: assetBytes(plan),
});

const summary = ({ plan, method, setting, size, context, path, timeMs }: CalibrateResult): string =>
  `${[
    `${method} ${setting}: ${size.bits.toFixed(3)} true bits and ${formatBytes(size.bytes)} at ${context} tokens, static tables ${formatBytes(assetBytes(plan))}`,
    `plan: ${path} (${((timeMs["total"] ?? 0) / 1000).toFixed(1)} s)`,
  ].join("\n")}\n`;
