import { cachePlaces } from "@kvtuner/plan";
import type { Given } from "@kvtuner/tuning";
import { Command } from "commander";
import type { ExportResult } from "../export-result.ts";
import { exportTo } from "../export.ts";
import { EXPORT_OPTIONS, OUTPUT_OPTIONS } from "../options.ts";
import { examples } from "./examples.ts";
import { withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

type ExportFlags = Given<typeof EXPORT_OPTIONS & typeof OUTPUT_OPTIONS> & { readonly to: string };

/** `kvtuner export PLAN --to TARGET`. */
export const exportCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  withOptions(new Command("export"), { ...EXPORT_OPTIONS, ...OUTPUT_OPTIONS })
    .description("write a plan as the nearest setting of another runtime, and say what changes")
    .argument("<plan>", "plan file; with --model also a shorthand such as kivi:K4V2")
    .addHelpText("after", EXAMPLES)
    .action(async (plan: string, { json, quiet, ...flags }: ExportFlags) => {
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await exportTo({ ...flags, plan, ...callbacks }).finally(view.end);
      if (json === true) return terminal.out(`${JSON.stringify(result)}\n`);
      // The setting alone goes to stdout, so that it can be piped into a file.
      if (result.out === undefined) terminal.out(result.text);
      terminal.error(`${reportOf(result).join("\n")}\n`);
    });

const EXAMPLES = examples([
  ["kvtuner export studies/mine/plan.json --to llama.cpp", "flags for llama.cpp"],
  ["kvtuner export plan.json --to kvtuner-yaml > mine-kivi.yaml", "a preset of the paper's code"],
  ["kvtuner export plan.json --to onnx --model onnx-folder --out new-folder", "an ONNX model with quantized caches"],
  ["kvtuner export plan.json --to vllm --model model.gguf", "with the loss of what vLLM stores"],
]);

const reportOf = (result: ExportResult): string[] => {
  const { notes, out, measured } = result;
  return [
    ...(out === undefined ? [] : [`written to ${out}`]),
    ...changesOf(result),
    ...notes,
    ...(measured === undefined
      ? []
      : [
          `KL ${lossText(measured.exported)}, of the plan ${lossText(measured.plan)}`,
          `true bits ${measured.exported.bits.toFixed(3)}, of the plan ${measured.plan.bits.toFixed(3)}`,
        ]),
  ];
};

const lossText = ({ kl, klStandardError }: { readonly kl: number; readonly klStandardError: number }): string =>
  `${kl.toPrecision(3)} +- ${klStandardError.toPrecision(2)}`;

/** One line for each kind of change, with the layers by their numbers in the model. */
const changesOf = ({ changes, plan: { shape } }: ExportResult): string[] => {
  const places = cachePlaces(shape);
  const kinds = new Map<string, number[]>();
  for (const { layer, tensor, type, planned, exported } of changes) {
    const verb = exported > planned ? "raised" : "lowered";
    const kind = `${tensor}s ${verb} from ${bitsText(planned)} to ${bitsText(exported)} bits (${type})`;
    kinds.set(kind, [...(kinds.get(kind) ?? []), places[layer]!]);
  }
  if (kinds.size === 0) return ["All layers keep their bits."];
  return [...kinds].map(
    ([kind, layers]) => `${kind} in ${layers.length === 1 ? "layer" : "layers"} ${layers.join(", ")}`,
  );
};

/** Bits with their share of scales. */
const bitsText = (bits: number): string => String(Math.round(100 * bits) / 100);
