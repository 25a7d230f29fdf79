import type { Speed } from "@kvtuner/decoder";
import { formatBytes } from "@kvtuner/plan";
import type { RunResult } from "../../run/runner.ts";

const ENDS: Readonly<Record<RunResult["finish"], string>> = {
  stop: "",
  length: ", stopped at --max-tokens",
  context: ", stopped at the end of the context",
  interrupted: ", interrupted",
};

/** Three lines about a generation, for people. */
export const reportText = ({ ids, finish, prompt, prefill, decode, cache, backend }: RunResult): string => {
  const reused = prompt.reused === 0 ? "" : ` (${prompt.reused} were in the cache)`;
  const { parts, total } = cache.bytes;
  const byPart = Object.entries(parts).map(
    ([part, sizeBytes]) => `${part.replace(".", " ")} ${formatBytes(sizeBytes)}`,
  );
  const assets = cache.assetBytes === undefined ? "" : `; assets at any length ${formatBytes(cache.assetBytes)}`;
  return [
    `${tokenCount(prompt.tokens)} of prompt${reused}, ${ids.length} generated${ENDS[finish]}`,
    `prefill ${speedText(prefill)}, decode ${speedText(decode)}, on ${backend}`,
    `cache of ${tokenCount(cache.tokens)}: ${formatBytes(total)}${byPart.length === 0 ? "" : ` (${byPart.join(", ")})`}; 16 bits would take ${formatBytes(cache.bytes16)}${assets}`,
    "",
  ].join("\n");
};

const tokenCount = (tokens: number): string => `${tokens} ${tokens === 1 ? "token" : "tokens"}`;

/** Three digits. Converting back to a number avoids an exponent. */
const speedText = ({ tokens, tokensPerSecond }: Speed): string =>
  tokens === 0 ? "nothing" : `${tokens} at ${Number(tokensPerSecond.toPrecision(3))} tokens/s`;
