import { formatBytes } from "@kvtuner/plan";
import type { Given } from "@kvtuner/tuning";
import { Command } from "commander";
import { advise, type AdviceResult } from "../advise.ts";
import { ADVISE_OPTIONS, OUTPUT_OPTIONS } from "../options.ts";
import { plainTable } from "../plain-table.ts";
import { examples } from "./examples.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

const FLAGS = { ...ADVISE_OPTIONS, ...OUTPUT_OPTIONS };

type AdviseFlags = Given<typeof FLAGS> & { readonly for: string };

/** `kvtuner advise MODEL --for RUNTIME`. */
export const adviseCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  withOptions(new Command("advise"), FLAGS)
    .description("rank the cache settings of another runtime by what they lose on a model, within a budget")
    .argument("<model>", MODEL_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, { json, quiet, ...flags }: AdviseFlags) => {
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await advise({ model, ...flags, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : summary(result));
    });

const EXAMPLES = examples([
  ["kvtuner advise smollm2 --for llama.cpp --budget 300MB --context 32k", "key and value types for llama.cpp"],
  ["kvtuner advise model.gguf --for vllm --text book.txt", "a cache type and layers to skip, on your own text"],
  ["kvtuner advise smollm2 --for onnxruntime --json", "bit widths of each layer's node, as JSON"],
]);

const summary = (result: AdviceResult): string => {
  const { runtime, context, budget, bytes16, considered, settings, timeMs } = result;
  const within = budget === undefined ? "" : ` within ${formatBytes(budget)}`;
  const [best] = settings;
  return `${[
    `${runtime}: ${considered} settings${within} at ${context} tokens, ${settings.length} of them measured; 16 bits take ${formatBytes(bytes16)}`,
    plainTable(
      ["setting", "KL, nats a token", "+-", "top-1", "true bits", `bytes at ${context}`],
      settings.map(({ label, kl, klStandardError, top1, bits, bytes }) => [
        label,
        kl.toPrecision(3),
        klStandardError === 0 ? "" : klStandardError.toPrecision(2),
        top1.toFixed(4),
        bits.toFixed(3),
        formatBytes(bytes),
      ]),
    ),
    ...(settings.some(({ paste }) => paste.includes("\n"))
      ? [`to use ${best!.label}, which loses least:`, best!.paste]
      : settings.map(({ label, paste }) => `${label}: ${paste}`)),
    `${((timeMs["total"] ?? 0) / 1000).toFixed(1)} s`,
  ].join("\n")}\n`;
};
