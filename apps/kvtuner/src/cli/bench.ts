import { formatBytes } from "@kvtuner/plan";
import type { WeightStorage } from "@kvtuner/decoder";
import { Command, Option } from "commander";

import { bench, type BenchResult } from "../bench.ts";
import type { Agreement } from "../bench/agreement.ts";
import { DEFAULT_CACHE_TYPES } from "../bench/llama-cpp/cache-types.ts";
import { DEFAULT_CONTEXTS, type PeerName } from "../bench/options.ts";
import type { ContextReport, VariantReport } from "../bench/report.ts";
import { BACKEND_NAMES } from "../model/backend.ts";
import { WEIGHTS } from "../run/options.ts";
import { list, number, numbers, plans } from "./arguments.ts";
import { examples } from "./examples.ts";
import { plainTable } from "./format.ts";
import { progressView } from "./progress-view.ts";
import type { Terminal } from "./terminal.ts";

interface BenchFlags {
  readonly plan: string[];
  readonly context?: number[];
  readonly threads: number;
  readonly backend: string;
  readonly weights: WeightStorage;
  readonly float: boolean;
  readonly peer?: PeerName;
  readonly peerTypes?: string[];
  readonly rounds: number;
  readonly tokens: number;
  readonly fill: "text" | "synthetic";
  readonly text?: string;
  readonly seed: number;
  readonly json?: true;
  readonly quiet?: true;
}

/** `kvtuner bench MODEL`. */
export const benchCommand = (terminal: Terminal, signal: AbortSignal): Command =>
  new Command("bench")
    .description("time plans, the float cache and another program on the same model and contexts, in turns")
    .argument("<model>", "path of a GGUF file, or embedded, smollm2 or qwen05")
    .requiredOption("--plan <list>", "plan files or shorthands like kivi:K4V4,none; ratios are to the first", plans)
    .option("--context <list>", `tokens in the cache (default: ${DEFAULT_CONTEXTS.join(",")})`, numbers)
    .option("--threads <n>", "threads of the weights, of packed caches and of the peer, no more than cores", number, 1)
    .option("--backend <name>", `what holds the packed caches: ${BACKEND_NAMES.join(", ")}`, BACKEND_NAMES[0])
    .addOption(
      new Option("--weights <kind>", "how weights are held; llama.cpp rounds to int8 too")
        .choices(WEIGHTS)
        .default("stored-int8"),
    )
    .option("--no-float", "do not time the float cache")
    .addOption(new Option("--peer <name>", "program to compare with").choices(["llama.cpp"]))
    .option("--peer-types <list>", `its key and value types, or all (default: ${DEFAULT_CACHE_TYPES.join(",")})`, list)
    .option("--rounds <n>", "turns of every variant, 10000 at most", number, 7)
    .option("--tokens <n>", "tokens decoded in a turn", number, 8)
    .addOption(
      new Option("--fill <kind>", "what fills the cache; only a text times prefill")
        .choices(["text", "synthetic"])
        .default("text"),
    )
    .option("--text <file>", "text, UTF-8 (default: built-in text over and over)")
    .option("--seed <n>", "seed of synthetic keys and values, below 2^32", number, 0)
    .option("--json", "print one JSON document on stdout")
    .option("--quiet", "no progress on stderr")
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: BenchFlags) => {
      const { plan, context: contexts = DEFAULT_CONTEXTS, json, quiet, ...settings } = flags;
      const view = progressView(terminal, quiet === true);
      const onWarning = (message: string): void => terminal.error(`warning: ${message}\n`);
      const callbacks = { onProgress: view.show, onWarning, signal };
      const result = await bench({ model, plans: plan, contexts, ...settings, ...callbacks }).finally(view.end);
      terminal.out(json === true ? `${JSON.stringify(result)}\n` : summary(result));
    });

const EXAMPLES = examples([
  ["kvtuner bench smollm2 --plan kivi:K4V4,none --context 512,4096", "two caches at two contexts, in turns"],
  ["kvtuner bench smollm2 --plan studies/mine/plan.json --peer llama.cpp", "a plan beside llama.cpp"],
  ["kvtuner bench smollm2 --plan none --fill synthetic --context 32768", "a long context without reading one"],
]);

const summary = (result: BenchResult): string => {
  const { model, backend, kernels, weights, threads, machine, peer } = result;
  const head = `${model.name}, backend ${backend}${kernels === undefined ? "" : ` (${kernels})`}, weights ${weights}, threads ${threads}, ${machine.processor}, Node ${machine.node}`;
  const agreement = peer ? [`llama.cpp ${peer.release}: ${agreementText(peer.agreement)}`] : [];
  return `${[head, ...agreement, ...result.contexts.map(contextTable)].join("\n\n")}\n`;
};

const agreementText = ({ equal, tokens, difference }: Agreement): string => {
  if (equal || !difference) return `its greedy text agrees with ours for ${tokens} tokens`;
  const { index, ours, theirs } = difference;
  return (
    `its greedy text agrees with ours for ${index} tokens; then ours has ${JSON.stringify(ours.text)}, ` +
    `${ours.logitGap.toPrecision(2)} above its ${JSON.stringify(theirs.text)}, which it has ${theirs.logitGap.toPrecision(2)} above ours`
  );
};

const contextTable = ({ context, variants }: ContextReport): string => {
  const compared = variants.some(({ decode }) => decode.overFastestPeer !== undefined);
  const prefilled = variants.some(({ prefill }) => prefill !== undefined);
  const head = [
    `${context} tokens`,
    "cache",
    "ms/token",
    "quartiles",
    "x first",
    ...(compared ? ["x fastest peer"] : []),
    ...(prefilled ? ["prefill tokens/s", "x first", ...(compared ? ["x fastest peer"] : [])] : []),
  ];
  return plainTable(
    head,
    variants.map((variant) => contextRow(variant, compared)),
  );
};

const contextRow = ({ name, cacheBytes, decode, prefill }: VariantReport, compared: boolean): string[] => [
  name,
  formatBytes(cacheBytes),
  decode.medianMs.toFixed(2),
  `${decode.lowerQuartileMs.toFixed(2)}-${decode.upperQuartileMs.toFixed(2)}`,
  decode.overFirst.toFixed(2),
  ...(compared ? [decode.overFastestPeer?.toFixed(2) ?? ""] : []),
  ...(prefill ? [prefill.tokensPerSecond.toFixed(1), prefill.overFirst.toFixed(2)] : []),
  ...(prefill && compared ? [prefill.overFastestPeer?.toFixed(2) ?? ""] : []),
];
