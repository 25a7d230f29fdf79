import { cacheReport, type CacheReport, type KvCache, Turns } from "@kvtuner/backend";
import { DeviceLostError, type KernelChoices } from "@kvtuner/backend-webgpu";
import {
  CacheSession,
  type ChatMessage,
  type Decoder,
  type Generated,
  generateText,
  promptIds,
  seededRandom,
} from "@kvtuner/decoder";
import type { Step } from "@kvtuner/tuning";
import { studyDatabase } from "../tuning/study-database.ts";
import { tune, type Tuned, type TuneRequest } from "../tuning/tune.ts";
import { GpuLostError } from "./gpu-loss.ts";
import { loadWeights } from "./load-weights.ts";
import { type Model, type ModelInfo, openModel } from "./model.ts";
import { readPlan } from "./read-plan.ts";
import { openRuntime, type Runtime, type RuntimeName } from "./runtime.ts";
import { tunableModel } from "./tunable-model.ts";

/** What to generate, and how. */
export interface GenerateRequest {
  readonly runtime: RuntimeName;
  /** Shorthand, or the text of a `plan.json`. */
  readonly plan: string;
  /** A text to continue, or a conversation to answer. */
  readonly prompt: string | readonly ChatMessage[];
  readonly maxTokens: number;
  readonly temperature: number;
}

/** Receives events. From a worker, calls return promises, and only the last one is awaited. */
export interface EngineListener {
  onProgress(step: "load" | "prefill", done: number, total: number): void | Promise<void>;
  onText(text: string, figures: Figures): void | Promise<void>;
}

/** Receives the progress of a tuning. */
export interface TuneListener {
  onProgress(step: Step, done: number, total: number): void | Promise<void>;
}

/** Cost of a generation so far. */
export interface Figures extends Pick<Generated, "prompt" | "prefill" | "decode">, CacheReport {
  /** Tokens generated. */
  readonly generated: number;
}

/** Why a generation ended: the model, `maxTokens`, the longest context, or `stop()`. */
export type Finish = Generated["finish"];

/** A cache under a plan, and its tokens. */
interface Held {
  /** As requested. */
  readonly plan: string;
  readonly cache: KvCache;
  readonly session: CacheSession;
}

/**
 * One model, run under one plan at a time. A prompt that starts like the last one only processes the rest. Calls take turns,
 * because they share weights and cache.
 */
export class Engine {
  #model: Model | undefined;
  #runtime: { readonly name: RuntimeName; readonly runtime: Runtime } | undefined;
  #decoder: Decoder | undefined;
  #held: Held | undefined;
  #stopping = new AbortController();
  #choices: KernelChoices | undefined;
  readonly #turns: Turns = new Turns();

  /** Stores the fastest kernels of each GPU. */
  remember(choices: KernelChoices): void {
    this.#choices = choices;
  }

  /**
   * Opens another model. If it cannot be run, keeps the last one.
   *
   * @throws KvtunerError when the file is not GGUF, or the model cannot be run
   */
  open(file: Blob): Promise<ModelInfo> {
    return this.#turns.take(async () => {
      const model = await openModel(file);
      await this.#unload();
      this.#model = model;
      return model.info;
    });
  }

  /**
   * Generates a text. Loads the weights on first use.
   *
   * @throws KvtunerError for bad plans and prompts
   * @throws GpuLostError when the GPU is lost: weights and cache are gone, and the next call starts over
   */
  generate(request: GenerateRequest, listener: EngineListener): Promise<Finish> {
    return this.#turns.take(() => this.#generateUntilStopped(request, listener));
  }

  /**
   * Tunes the model on the CPU. Measurements stay in this browser, and the same request resumes from them.
   *
   * @returns undefined when `stop()` ended it
   * @throws KvtunerError when no plan is within the limit, or another tab tunes the same model
   */
  tune(request: TuneRequest, listener: TuneListener): Promise<Tuned | undefined> {
    return this.#turns.take(async () => {
      this.#stopping = new AbortController();
      const { signal } = this.#stopping;
      try {
        return await this.#tune(request, listener, signal);
      } catch (error) {
        if (signal.aborted && error === signal.reason) return undefined;
        throw error;
      }
    });
  }

  async #tune(request: TuneRequest, listener: TuneListener, signal: AbortSignal): Promise<Tuned> {
    const model = this.#openedModel();
    const runtime = await this.#startedRuntime("cpu");
    const progress = (step: Step, done: number, total: number): void => void listener.onProgress(step, done, total);
    const onLoad = (done: number, total: number): void => progress("load", done, total);
    this.#decoder ??= await loadWeights(model, runtime, onLoad, signal);
    return tune(await tunableModel(model, this.#decoder, runtime.createSession), request, studyDatabase, {
      progress: ({ step, done, total }) => progress(step, done, total),
      warn: (message) => console.warn(message),
      signal,
    });
  }

  /** Ends the current generation or tuning. */
  stop(): void {
    this.#stopping.abort();
  }

  async #generateUntilStopped(request: GenerateRequest, listener: EngineListener): Promise<Finish> {
    const stopping = (this.#stopping = new AbortController());
    try {
      return await this.#generate(request, listener, stopping);
    } catch (error) {
      if (error instanceof DeviceLostError) {
        // Nothing on a lost device can be released.
        this.#runtime = this.#held = this.#decoder = undefined;
        throw new GpuLostError(error);
      }
      if (stopping.signal.aborted && error === stopping.signal.reason) return "interrupted";
      throw error;
    }
  }

  async #generate(request: GenerateRequest, listener: EngineListener, stopping: AbortController): Promise<Finish> {
    const { signal } = stopping;
    const { tokenizer } = this.#openedModel();
    const { cache, session } = await this.#prepared(request, listener, signal);
    const { maxTokens, temperature } = request;
    const figures = ({ prompt, prefill, decode, ids }: Omit<Generated, "finish">): Figures => ({
      prompt,
      prefill,
      decode,
      generated: ids.length,
      ...cacheReport(cache),
    });
    const { lost } = this.#runtime!.runtime;
    // Work on a lost GPU may never end, or end with any error; show none of it.
    lost.catch((error: unknown) => stopping.abort(error));
    const generating = generateText({
      tokenizer,
      maxTokens,
      contextLength: this.#contextLength(),
      open: async () => session,
      prompt: promptIds(tokenizer, request.prompt),
      sampling: { temperature, random: seededRandom(0) },
      signal,
      onProgress: (done, total) => void listener.onProgress("prefill", done, total),
      onText: (text, soFar) => void listener.onText(text, figures(soFar)),
    });
    const generated = await Promise.race([lost, generating]);
    // Events take another way than the result; none may come after it.
    await listener.onText("", figures(generated));
    return generated.finish;
  }

  #openedModel(): Model {
    if (this.#model) return this.#model;
    throw new Error("expected a model, got none yet; take the small one, or drop a GGUF file on the page");
  }

  #contextLength(): number {
    return Math.min(this.#openedModel().info.contextLength, this.#runtime!.runtime.backend.capabilities.maxTokens);
  }

  /** A session under the requested plan: the current one, or a new one. */
  async #prepared(
    { runtime: name, plan: text }: GenerateRequest,
    listener: EngineListener,
    signal: AbortSignal,
  ): Promise<Held> {
    const model = this.#openedModel();
    const plan = readPlan(text, model);
    const runtime = await this.#startedRuntime(name);
    if (this.#held?.plan === text) return this.#held;
    const cache = await runtime.backend.createCache(model.shape, plan);
    const onProgress = (done: number, total: number): void => void listener.onProgress("load", done, total);
    try {
      this.#decoder ??= await Promise.race([runtime.lost, loadWeights(model, runtime, onProgress, signal)]);
    } catch (error) {
      await cache.dispose();
      throw error;
    }
    await this.#held?.cache.dispose();
    return (this.#held = { plan: text, cache, session: new CacheSession({ decoder: this.#decoder, cache }) });
  }

  async #startedRuntime(name: RuntimeName): Promise<Runtime> {
    if (this.#runtime?.name === name) return this.#runtime.runtime;
    const runtime = await openRuntime(name, this.#choices);
    await this.#unload();
    await this.#runtime?.runtime.dispose();
    this.#runtime = { name, runtime };
    return runtime;
  }

  /** Releases cache and weights. */
  async #unload(): Promise<void> {
    const [held, decoder] = [this.#held, this.#decoder];
    this.#held = this.#decoder = undefined;
    await held?.cache.dispose();
    await decoder?.dispose();
  }
}
