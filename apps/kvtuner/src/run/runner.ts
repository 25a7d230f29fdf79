import { availableParallelism } from "node:os";
import { type Backend, cacheReport, type CacheReport, Turns } from "@kvtuner/backend";
import {
  type CacheSession,
  type ChatMessage,
  type Generated,
  generateText,
  promptIds,
  seededRandom,
} from "@kvtuner/decoder";
import { KvtunerError, type Plan } from "@kvtuner/plan";
import { type Filled, fillOptions, callbacksOf, STUDY_OPTIONS, thenDispose, type Callbacks } from "@kvtuner/tuning";
import { openBackend } from "../model/backend.ts";
import { readPlan } from "../model/read-plan.ts";
import { openRunnableModel, type RunnableModel } from "../model/runnable-model.ts";
import { sessionsOn } from "../model/session.ts";
import { GENERATION_OPTIONS, type GenerationOptions, RUNNER_OPTIONS, type RunnerOptions } from "../options.ts";
import { HeldSession } from "./held-session.ts";
import { readSessionFile } from "./session-on-disk.ts";

/** One generation, and what it took. */
export interface RunResult extends Generated, CacheReport {
  /** Name of the backend that held the cache. */
  readonly backend: string;
}

/**
 * Generates texts on one cache. A prompt that starts with tokens already held only processes the rest. After truncation, tokens
 * that return to 16 bits keep their decoded numbers, so a text may differ slightly from a new runner's.
 */
export interface Runner {
  readonly plan: Plan;
  /** What was in the file of `session`; absent without one. */
  readonly restored?: {
    /** Tokens in the cache. */
    readonly tokens: number;
    /** The conversation so far; empty if the tokens are those of a text. */
    readonly messages: readonly ChatMessage[];
  };
  /** Loads the model's weights now instead of in the first generation. */
  load(): Promise<void>;
  /**
   * Waits for the generation before it.
   *
   * @throws KvtunerError for bad options and prompts; the cache then holds the same tokens or fewer. `RUNNER_DISPOSED` after
   *   `dispose`
   */
  generate(options: GenerationOptions): Promise<RunResult>;
  /** Releases model and cache after the current generation. Rejects those that wait. */
  dispose(): Promise<void>;
}

/**
 * Opens a model for text generation under a plan. Checks the plan and makes the cache before it loads any weights.
 *
 * @throws KvtunerError for bad options, models and plans, and for a plan that the backend cannot store
 */
export const openRunner = async (options: RunnerOptions): Promise<Runner> => {
  const { backend: given, threads, context, session, sessions, sessionsBudget, ...settings } = runnerSettings(options);
  const callbacks = callbacksOf(options);
  const disposals: (() => Promise<void>)[] = [];
  const giveBack = (): Promise<void> => thenDispose(async () => undefined, ...disposals.splice(0).toReversed());
  try {
    const access = { ...callbacks, offline: options.offline === true };
    const contextLength = context ?? STUDY_OPTIONS.context.fallback;
    const wishes = { ...settings, contextLength, createSession: sessionsOn(threads) };
    const model = await openRunnableModel(options.model, wishes, access);
    disposals.push(() => model.dispose());
    const plan = readPlan(options.plan, model, { anyWeights: options.anyWeights === true, warn: callbacks.warn });
    const saved = session === undefined ? undefined : await readSessionFile(session, model.identity);
    const { backend, dispose: disposeBackend } = await openBackend(given, { threads }, [plan]);
    disposals.push(disposeBackend);
    const places = { session, sessions, sessionsBudget };
    const held = await HeldSession.open({ model, plan, backend, callbacks, places }, saved);
    disposals.push(() => held.dispose());
    const limit = Math.min(context ?? Infinity, model.contextLength, backend.capabilities.maxTokens);
    const restored = saved && { tokens: saved.ids.length, messages: saved.messages ?? [] };
    const parts = { model, plan, backend, held, contextLength: limit, callbacks };
    return { plan, ...(restored && { restored }), ...generator(parts, giveBack) };
  } catch (error) {
    return thenDispose(() => {
      throw error;
    }, giveBack);
  }
};

/** Options of a runner, checked, with defaults. */
export const runnerSettings = (
  options: RunnerOptions,
): Filled<typeof RUNNER_OPTIONS> & { readonly threads: number } => ({
  threads: availableParallelism(),
  ...fillOptions(RUNNER_OPTIONS, options),
});

interface Parts {
  readonly model: RunnableModel;
  readonly plan: Plan;
  readonly backend: Backend;
  readonly held: HeldSession;
  /** Most tokens that its cache takes. */
  readonly contextLength: number;
  readonly callbacks: Callbacks;
}

const generator = (
  { model, plan, backend, held, contextLength, callbacks }: Parts,
  giveBack: () => Promise<void>,
): Omit<Runner, "plan" | "restored"> => {
  const turns = new Turns();
  let disposed = false;
  const opened = async (prompt?: Int32Array): Promise<CacheSession> => {
    assertInUse(disposed);
    return prompt ? held.sessionFor(prompt) : held.load();
  };
  const generateNow = async (options: GenerationOptions): Promise<RunResult> => {
    assertInUse(disposed);
    const { tokenizer } = model;
    const { temperature, topP, topK, seed, specialTokens, ...limits } = fillOptions(GENERATION_OPTIONS, options);
    const { onText, signal } = options;
    const prompt = promptIds(tokenizer, options.prompt, { specialTokens: specialTokens ?? false });
    assertPrompt(prompt, contextLength);
    const generated = await generateText({
      ...limits,
      tokenizer,
      prompt,
      contextLength,
      open: async () => unlessAborted(opened(prompt), signal),
      sampling: {
        temperature,
        ...(topP < 1 && { topP }),
        ...(topK !== undefined && { topK }),
        random: seededRandom(seed),
      },
      onProgress: (done, total) => callbacks.progress({ step: "prefill", done, total }),
      ...(onText && { onText }),
      ...(signal && { signal }),
    });
    await held.keep(conversationOf(options.prompt, generated.text));
    return { ...generated, backend: backend.name, ...cacheReport(held.cache, plan) };
  };
  return {
    load: async () => void (await opened()),
    generate: async (options) => turns.take(async () => generateNow(options)),
    dispose: async () => {
      disposed = true;
      await turns.take(giveBack);
    },
  };
};

/** The conversation with the answer; undefined for a text. */
const conversationOf = (prompt: GenerationOptions["prompt"], answer: string): ChatMessage[] | undefined =>
  typeof prompt === "string" ? undefined : [...prompt, { role: "assistant", content: answer }];

const assertInUse = (disposed: boolean): void => {
  if (disposed)
    throw new RunnerDisposedError("expected a runner before dispose(), got one after it; open a new runner");
};

/** The awaited result, or the signal's reason if that comes first. */
const unlessAborted = async <Result>(waited: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> => {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted === true) abort();
    signal?.addEventListener("abort", abort);
    stop = () => signal?.removeEventListener("abort", abort);
  });
  return Promise.race([waited, aborted]).finally(stop);
};

const assertPrompt = (prompt: Int32Array, contextLength: number): void => {
  if (prompt.length === 0)
    throw new PromptError("PROMPT_EMPTY", "expected a prompt of at least one token, got none; pass a text");
  if (prompt.length > contextLength)
    throw new PromptError(
      "PROMPT_TOO_LONG",
      `expected a prompt of at most ${contextLength} tokens, the least of --context and the limits of model and backend, got ${prompt.length}; use a shorter text, or raise --context if the model allows`,
    );
};

/** Use of a runner after `dispose()`. */
class RunnerDisposedError extends KvtunerError {
  constructor(message: string) {
    super("RUNNER_DISPOSED", message);
    this.name = "RunnerDisposedError";
  }
}

/** A prompt that is empty or too long; `code` says which. */
export class PromptError extends KvtunerError {
  override readonly name = "PromptError";
}
