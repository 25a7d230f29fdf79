import type { Plan } from "@kvtuner/plan";
import { bench } from "./bench.ts";
import { storedOnCpu } from "./model/backend.ts";
import type { BenchOptions } from "./options.ts";

/** Rounds, each of some tokens of every plan in turn. */
const ROUNDS = 5;

/**
 * Time of a decoded token under each plan relative to the float cache, on one thread at `context` tokens of synthetic numbers;
 * undefined for plans without a kernel on the CPU.
 */
export const timePlans = async (
  plans: readonly Plan[],
  context: number,
  options: Pick<BenchOptions, "model" | "offline" | "onProgress" | "onWarning" | "signal">,
): Promise<(number | undefined)[]> => {
  const stored = await storedOnCpu(plans);
  if (stored.length === 0) return plans.map(() => undefined);
  const { contexts } = await bench({
    ...options,
    plans: stored,
    contexts: [context],
    fill: "synthetic",
    rounds: ROUNDS,
  });
  const { variants } = contexts[0]!;
  const float = variants.find(({ kind }) => kind === "float32")!.decode.medianMs;
  return plans.map((plan) => {
    const place = stored.indexOf(plan);
    return place === -1 ? undefined : variants[place]!.decode.medianMs / float;
  });
};
