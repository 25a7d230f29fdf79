import { parseArgs } from "node:util";
import { KvtunerError } from "@kvtuner/plan";
import { bench, type BenchOptions, benchText } from "kvtuner";
import type { Agreement } from "./agreement.ts";
import { DEFAULT_CACHE_TYPES, parseCacheTypes } from "./cache-types.ts";
import { findNodeLlamaCpp } from "./package.ts";
import { llamaCpp, type PeerReport } from "./peer-variants.ts";

const TEXT = { type: "string" } as const;
const FLAG = { type: "boolean", default: false } as const;

/** Runs `benchmarks/llama-cpp.mjs`; resolves to the exit code. */
export const runLlamaCppBench = async (argv: readonly string[]): Promise<number> => {
  try {
    await compare(argv);
    return 0;
  } catch (error) {
    const text = KvtunerError.isInstance(error) ? `[${error.code}]: ${error.message}` : String(error);
    process.stderr.write(`error ${text}\n`);
    return 2;
  }
};

const compare = async (argv: readonly string[]): Promise<void> => {
  const { values, positionals } = parseArgs({ args: [...argv], allowPositionals: true, options: OPTIONS });
  const types = parseCacheTypes(values["peer-types"]?.split(",") ?? DEFAULT_CACHE_TYPES);
  let peer: PeerReport | undefined;
  const result = await bench({
    ...benchOptions(values),
    model: positionals[0] ?? "",
    peer: llamaCpp(findNodeLlamaCpp(), types, (report) => (peer = report)),
    onWarning: (message) => process.stderr.write(`warning: ${message}\n`),
  });
  process.stdout.write(
    values.json ? `${JSON.stringify({ ...result, peer })}\n` : `${agreementText(peer!)}\n\n${benchText(result)}\n`,
  );
};

const OPTIONS = {
  plan: { ...TEXT, default: "none" },
  context: TEXT,
  "peer-types": TEXT,
  threads: TEXT,
  weights: TEXT,
  backend: TEXT,
  "no-float": FLAG,
  rounds: TEXT,
  tokens: TEXT,
  fill: TEXT,
  text: TEXT,
  seed: TEXT,
  json: FLAG,
} as const;

type Values = Readonly<Record<string, string | boolean | undefined>> & { readonly plan: string };

/** `bench` checks the values. */
const benchOptions = (values: Values): Omit<BenchOptions, "model"> => {
  const given = (names: readonly string[], parse: (text: string) => unknown): object =>
    Object.fromEntries(
      names.flatMap((name) => (typeof values[name] === "string" ? [[name, parse(values[name])]] : [])),
    );
  return {
    plans: values.plan.split(","),
    float: values["no-float"] !== true,
    ...(typeof values["context"] === "string" && { contexts: values["context"].split(",").map(Number) }),
    ...given(["threads", "rounds", "tokens", "seed"], Number),
    ...given(["weights", "backend", "fill", "text"], String),
  };
};

const agreementText = ({ release, agreement }: PeerReport): string =>
  `llama.cpp ${release}: its greedy text matches ours for ${agreedText(agreement)}`;

export const agreedText = ({ equal, tokens, difference }: Agreement): string => {
  if (equal || !difference) return `${tokens} tokens`;
  const { index, ours, theirs, spread } = difference;
  return (
    `${index} tokens; then ours has ${JSON.stringify(ours.text)}, ${ours.logitGap.toPrecision(2)} above its ` +
    `${JSON.stringify(theirs.text)}, which it has ${theirs.logitGap.toPrecision(2)} above ours ` +
    `(all its logits deviate from ours by ${spread.toPrecision(2)})`
  );
};
