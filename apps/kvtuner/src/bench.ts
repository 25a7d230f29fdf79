import { cpus } from "node:os";
import type { Backend } from "@kvtuner/backend";
import type { Simd } from "@kvtuner/backend-cpu";
import type { WeightStorage } from "@kvtuner/decoder";
import type { ModelIdentity } from "@kvtuner/plan";
import { type Filled, fillOptions, OptionError, type RunContext, runContext, wholeNumber } from "@kvtuner/tuning";
import { decodedTokens, measure } from "./bench/measure.ts";
import { type NamedPlan, openOwnVariants, readNamedPlans } from "./bench/own-variants.ts";
import { type ContextReport, contextReport } from "./bench/report.ts";
import { textIds } from "./bench/text-ids.ts";
import type { Variant } from "./bench/variant.ts";
import { openBackend, type OpenedBackend } from "./model/backend.ts";
import { resolveModel } from "./model/resolve.ts";
import { openRunnableModel, type RunnableModel } from "./model/runnable-model.ts";
import { sessionsOn } from "./model/session.ts";
import { BENCH_OPTIONS, type BenchOptions, DEFAULT_CONTEXTS } from "./options.ts";

/** Result of {@link bench}. */
export interface BenchResult {
  readonly model: ModelIdentity;
  readonly backend: string;
  /** Module of the CPU kernels that ran; absent where the backend is not "cpu". */
  readonly kernels?: Simd;
  readonly weights: WeightStorage;
  readonly threads: number;
  readonly fill: "text" | "synthetic";
  readonly rounds: number;
  /** Tokens decoded and counted in each round. */
  readonly tokens: number;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
  readonly contexts: readonly ContextReport[];
}

/** Options that say how to measure, checked and filled in; contexts ascend without repeats. */
export interface BenchSettings extends Filled<typeof BENCH_OPTIONS> {
  readonly contexts: readonly number[];
}

/**
 * Checks options and fills in defaults.
 *
 * @throws OptionError naming the option
 */
export const benchSettings = (options: BenchOptions): BenchSettings => {
  if (options.plans.length === 0) throw new OptionError("plan", "at least one plan like kivi:K4V4", "none");
  return { ...fillOptions(BENCH_OPTIONS, options), contexts: contextList(options.contexts ?? DEFAULT_CONTEXTS) };
};

const contextList = (contexts: readonly number[]): number[] => {
  if (contexts.length === 0) throw new OptionError("context", "at least one number of tokens", "none");
  for (const context of contexts) wholeNumber("context", context, 1);
  return [...new Set(contexts)].toSorted((a, b) => a - b);
};

/**
 * Times plans, the float cache and a peer on the same model and contexts, in turns.
 *
 * @throws KvtunerError for bad options, models and plans
 */
export const bench = async (options: BenchOptions): Promise<BenchResult> => {
  const settings = benchSettings(options);
  const run = runContext(options);
  const { threads, weights } = settings;
  const model = await openRunnableModel(options.model, { createSession: sessionsOn(threads), weights }, run);
  try {
    const plans = readNamedPlans(options.plans, model, { anyWeights: options.anyWeights === true, warn: run.warn });
    const caches = plans.map(({ plan }) => plan);
    const opened = await openBackend(settings.backend, { threads }, caches);
    try {
      return await benchOn(opened, { model, plans, options, settings, run });
    } finally {
      await opened.dispose();
    }
  } finally {
    await model.dispose();
  }
};

interface BenchParts {
  readonly model: RunnableModel;
  readonly plans: readonly NamedPlan[];
  readonly options: BenchOptions;
  readonly settings: BenchSettings;
  readonly run: RunContext;
}

const benchOn = async (on: OpenedBackend, parts: BenchParts): Promise<BenchResult> => {
  const { backend } = on;
  const { model, plans, options, settings, run } = parts;
  const capacity = settings.contexts.at(-1)! + decodedTokens(settings.tokens);
  assertCapacity(capacity, model, backend, run);
  const ids = textIds(model.tokenizer.encode, options.text, capacity);
  const variants: Variant[] = await openOwnVariants(model, on, plans, settings);
  try {
    variants.push(...(await openPeer(parts, ids)));
    const measured = await measure(variants, { ...settings, ids }, run);
    return {
      ...description(model, backend, settings),
      contexts: settings.contexts.map((context, index) => contextReport(context, variants, measured[index]!)),
    };
  } finally {
    await Promise.all(variants.map((variant) => variant.dispose()));
  }
};

const assertCapacity = (
  capacity: number,
  { contextLength }: RunnableModel,
  backend: Backend,
  run: RunContext,
): void => {
  const { maxTokens } = backend.capabilities;
  if (capacity > maxTokens)
    throw new OptionError(
      "context",
      `at most ${maxTokens} tokens on backend ${backend.name}, with those that are decoded`,
      String(capacity),
    );
  if (capacity > contextLength)
    run.warn(`the model was trained on ${contextLength} tokens: beyond them times are right, but text is not`);
};

const openPeer = async (
  { model, options, settings, run }: BenchParts,
  ids: Int32Array,
): Promise<readonly Variant[]> => {
  if (options.peer === undefined) return [];
  const { shape, tokenizer } = model;
  const { warn, signal } = run;
  const decoder = await model.load();
  const parts = { modelPath: resolveModel(options.model), shape, decoder, tokenizer, threads: settings.threads, ids };
  return options.peer({ ...parts, warn, ...(signal && { signal }) });
};

const description = (
  { identity }: RunnableModel,
  backend: Backend & { readonly simd?: Simd },
  { weights, threads, fill, rounds, tokens }: BenchSettings,
): Omit<BenchResult, "contexts"> => {
  const processors = cpus();
  const machine = { processor: processors[0]?.model ?? "unknown", cores: processors.length, node: process.version };
  const kernels = backend.simd && { kernels: backend.simd };
  return { model: identity, backend: backend.name, ...kernels, weights, threads, fill, rounds, tokens, machine };
};
