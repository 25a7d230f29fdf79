import { cpus } from "node:os";
import type { Simd } from "@kvtuner/backend-cpu";
import { EvaluationError } from "@kvtuner/evaluation";
import { type ContextReport, decodedTokens, openOwnVariants, timeVariants } from "@kvtuner/evaluation/bench";
import type { ModelIdentity, Plan } from "@kvtuner/plan";
import {
  CALIBRATION_PROMPTS,
  encodeEnough,
  type Filled,
  fillOptions,
  OptionError,
  type Callbacks,
  callbacksOf,
  thenDispose,
} from "@kvtuner/tuning";
import { readText } from "./calibration/text.ts";
import { openBackend, type OpenedBackend } from "./model/backend.ts";
import { readPlan } from "./model/read-plan.ts";
import { openRunnableModel, type RunnableModel } from "./model/runnable-model.ts";
import { sessionsOn } from "./model/session.ts";
import type { Weights } from "./model/weights.ts";
import { BENCH_LIST_OPTIONS, BENCH_OPTIONS, type BenchOptions, type OpenPeer } from "./options.ts";

/** Result of {@link bench}. */
export interface BenchResult {
  readonly model: ModelIdentity;
  readonly backend: string;
  /** Module of the CPU kernels that ran; absent where the backend is not "cpu". */
  readonly kernels?: Simd;
  readonly weights: Weights;
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
  const { context } = BENCH_LIST_OPTIONS;
  if (options.plans.length === 0) throw new OptionError("plan", "at least one plan like kivi:K4V4", "none");
  return {
    ...fillOptions(BENCH_OPTIONS, options),
    contexts: context.check("context", options.contexts ?? context.fallback),
  };
};

/**
 * Times plans, the float cache and a peer on the same model and contexts, in turns.
 *
 * @throws KvtunerError for bad options, models and plans
 */
export const bench = async (options: BenchOptions): Promise<BenchResult> => {
  const settings = benchSettings(options);
  const callbacks = callbacksOf(options);
  const { threads } = settings;
  const access = { ...callbacks, offline: options.offline === true };
  const wishes = { ...settings, createSession: sessionsOn(threads), contextLength: capacityOf(settings) };
  const model = await openRunnableModel(options.model, wishes, access);
  const work = async (): Promise<BenchResult> => {
    const tolerance = { anyWeights: options.anyWeights === true, warn: callbacks.warn };
    const plans = options.plans.map((plan, index) => ({
      name: planName(plan, index),
      plan: readPlan(plan, model, tolerance),
    }));
    const caches = plans.map(({ plan }) => plan);
    const opened = await openBackend(settings.backend, { threads }, caches);
    return thenDispose(
      () => benchOn(opened, { model, plans, options, settings, callbacks }),
      () => opened.dispose(),
    );
  };
  return thenDispose(work, () => model.dispose());
};

/** The text that names a plan, or its place. */
const planName = (plan: Plan | string, index: number): string =>
  typeof plan === "string" && !plan.trim().startsWith("{") ? plan.trim() : `plan ${index + 1}`;

interface BenchParts {
  readonly model: RunnableModel;
  readonly plans: readonly { readonly name: string; readonly plan: Plan }[];
  readonly options: BenchOptions;
  readonly settings: BenchSettings;
  readonly callbacks: Callbacks;
}

const benchOn = async (opened: OpenedBackend, parts: BenchParts): Promise<BenchResult> => {
  const { model, plans, options, settings, callbacks } = parts;
  const { float, seed, threads } = settings;
  const capacity = capacityOf(settings);
  assertCapacity(capacity, model, opened, callbacks);
  const ids = textIds(model.tokenizer.encode, options.text, capacity);
  const floatThreads = float ? { floatThreads: threads } : {};
  const variants = await openOwnVariants({ ...opened, plans, ...floatThreads, seed, load: model.load });
  const work = async (): Promise<BenchResult> => {
    if (options.peer) variants.push(...(await openPeer(options.peer, parts, ids)));
    return {
      ...description(model, opened, settings),
      contexts: await timeVariants(variants, { ...settings, ids }, callbacks),
    };
  };
  return thenDispose(work, async () => {
    for (const outcome of await Promise.allSettled(variants.map((variant) => variant.dispose())))
      if (outcome.status === "rejected") throw outcome.reason;
  });
};

/** Tokens of the longest context, with those decoded after it. */
const capacityOf = ({ contexts, tokens }: BenchSettings): number => contexts.at(-1)! + decodedTokens(tokens);

const assertCapacity = (
  capacity: number,
  { contextLength }: RunnableModel,
  { backend: { name, capabilities } }: OpenedBackend,
  callbacks: Callbacks,
): void => {
  const { maxTokens } = capabilities;
  if (capacity > maxTokens)
    throw new OptionError(
      "context",
      `at most ${maxTokens} tokens on backend ${name}, with those that are decoded`,
      String(capacity),
    );
  if (capacity > contextLength)
    callbacks.warn(`the model was trained on ${contextLength} tokens: beyond them times are right, but text is not`);
};

/**
 * The first `tokens` tokens of a text file, or of built-in text over and over: timing does not depend on what is said.
 *
 * @throws KvtunerError when the file cannot be read or is too short
 */
const textIds = (encode: (text: string) => Int32Array, path: string | undefined, tokens: number): Int32Array => {
  if (path === undefined) {
    const once = encode(`${CALIBRATION_PROMPTS.join("\n\n")}\n\n`);
    return Int32Array.from({ length: tokens }, (_, index) => once[index % once.length]!);
  }
  const ids = encodeEnough(encode, readText(path), tokens);
  if (ids.length >= tokens) return ids.slice(0, tokens);
  throw new EvaluationError(
    "EVALUATION_TEXT_TOO_SHORT",
    `expected a text of at least ${tokens} tokens in ${path}, the longest context and the tokens decoded after it, got ${ids.length}; use a longer text or a shorter --context`,
  );
};

const openPeer = async (
  peer: OpenPeer,
  { model, settings, callbacks: { warn, signal } }: BenchParts,
  ids: Int32Array,
): ReturnType<OpenPeer> => {
  const { shape, tokenizer } = model;
  const decoder = await model.load();
  const parts = { modelPath: model.paths[0], shape, decoder, tokenizer, threads: settings.threads, ids };
  return peer({ ...parts, warn, ...(signal && { signal }) });
};

const description = (
  { identity, choice }: RunnableModel,
  { backend }: OpenedBackend,
  { threads, fill, rounds, tokens }: BenchSettings,
): Omit<BenchResult, "contexts"> => {
  const processors = cpus();
  const machine = { processor: processors[0]?.model ?? "unknown", cores: processors.length, node: process.version };
  const { name, simd } = backend as typeof backend & { readonly simd?: Simd };
  return {
    model: identity,
    backend: name,
    ...(simd && { kernels: simd }),
    weights: choice.weights,
    threads,
    fill,
    rounds,
    tokens,
    machine,
  };
};
