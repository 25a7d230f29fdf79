import type { WeightStorage } from "@kvtuner/decoder";
import { Command, Option } from "commander";

import { bench } from "../bench.ts";
import { DEFAULT_CONTEXTS } from "../bench/options.ts";
import { benchText } from "../bench/text.ts";
import { BACKEND_NAMES } from "../model/backend.ts";
import { WEIGHTS } from "../run/options.ts";
import { number, numbers, plans } from "./arguments.ts";
import { examples } from "./examples.ts";
import { progressView } from "./progress-view.ts";
import { type Terminal, warn } from "./terminal.ts";

interface BenchFlags {
  readonly plan: string[];
  readonly context?: number[];
  readonly threads: number;
  readonly backend: string;
  readonly weights: WeightStorage;
  readonly float: boolean;
  readonly rounds: number;
  readonly tokens: number;
  readonly fill: "text" | "synthetic";
  readonly text?: string;
  readonly seed: number;
  readonly anyWeights?: true;
  readonly json?: true;
  readonly quiet?: true;
}

/** `kvtuner bench MODEL`. */
export const benchCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  new Command("bench")
    .description("measure the speed of plans and of the float cache at each context length")
    .argument("<model>", "GGUF file, or embedded, smollm2 or qwen05")
    .requiredOption(
      "--plan <list>",
      "comma-separated plan files or shorthands, such as kivi:K4V4,none; ratios are relative to the first",
      plans,
    )
    .option("--context <list>", `context lengths in tokens (default: ${DEFAULT_CONTEXTS.join(",")})`, numbers)
    .option("--threads <n>", "number of threads for weights and packed caches; at most the number of cores", number, 1)
    .option("--backend <name>", `backend that stores the packed caches: ${BACKEND_NAMES.join(", ")}`, BACKEND_NAMES[0])
    .addOption(
      new Option(
        "--weights <kind>",
        "how weights are kept: float32, as stored, or as stored with int8 activations (as in llama.cpp)",
      )
        .choices(WEIGHTS)
        .default("stored-int8"),
    )
    .option("--no-float", "skip the float cache")
    .option("--rounds <n>", "rounds per variant; at most 10000", number, 7)
    .option("--tokens <n>", "tokens decoded per round", number, 8)
    .addOption(
      new Option("--fill <kind>", "content of the cache; only text measures prefill")
        .choices(["text", "synthetic"])
        .default("text"),
    )
    .option("--text <file>", "UTF-8 text file (default: repeated built-in text)")
    .option("--seed <n>", "seed for synthetic keys and values, below 2^32", number, 0)
    .option("--any-weights", "take plans that were tuned for other weights of the same shape, with a warning")
    .option("--json", "print one JSON document to stdout")
    .option("--quiet", "hide progress")
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: BenchFlags) => {
      const { plan, context: contexts = DEFAULT_CONTEXTS, json, quiet, ...settings } = flags;
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => warn(terminal, message);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await bench({ model, plans: plan, contexts, ...settings, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : `${benchText(result)}\n`);
    });

const EXAMPLES = examples([
  ["kvtuner bench smollm2 --plan kivi:K4V4,none --context 512,4096", "two caches at two context lengths"],
  ["kvtuner bench smollm2 --plan none --fill synthetic --context 32768", "a long context without processing a text"],
]);
