import type { ContextReport, VariantReport } from "@kvtuner/evaluation/bench";
import { formatBytes } from "@kvtuner/plan";
import type { BenchResult } from "./bench.ts";
import { plainTable } from "./plain-table.ts";

/** A result as the command line prints it: one line about the run, then a table for each context. */
export const benchText = ({ model, backend, kernels, weights, threads, machine, contexts }: BenchResult): string => {
  const module = kernels === undefined ? "" : ` (${kernels})`;
  const head = `${model.name}, backend ${backend}${module}, weights ${weights}, threads ${threads}, ${machine.processor}, Node ${machine.node}`;
  return [head, ...contexts.map(contextTable)].join("\n\n");
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
