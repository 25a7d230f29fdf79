import { writeFile } from "node:fs/promises";
import type { CacheType } from "./cache-types.ts";
import type { OpenRequest, PeerAnswer, PeerCall, PeerMethods, StridedRequest } from "./protocol.ts";
import { fillFromState } from "./state-file.ts";

/** The parts of node-llama-cpp used here. Not its own types, because it may not be installed. */
interface NodeLlamaCpp {
  readonly LlamaLogLevel: { readonly error: unknown };
  getLlama(options: object): Promise<{
    readonly llamaCppRelease: { readonly release: string };
    readonly systemInfo: string;
    loadModel(options: object): Promise<{ createContext(options: object): Promise<LlamaContext> }>;
  }>;
}

interface LlamaContext {
  readonly idealThreads: number;
  getSequence(): LlamaSequence;
}

/** A sequence of node-llama-cpp. */
export interface LlamaSequence {
  readonly nextTokenIndex: number;
  evaluate(ids: number[], options: object): AsyncGenerator<number, void, number | undefined>;
  evaluateWithoutGeneratingNewTokens(ids: number[]): Promise<void>;
  controlledEvaluate(
    input: unknown[],
  ): Promise<({ readonly next?: { readonly logits?: ReadonlyMap<number, number> } } | undefined)[]>;
  eraseContextTokenRanges(ranges: readonly { readonly start: number; readonly end: number }[]): Promise<void>;
  saveStateToFile(path: string): Promise<unknown>;
  loadStateFromFile(path: string, risk: { readonly acceptRisk: true }): Promise<void>;
}

const GREEDY = { temperature: 0, yieldEogToken: true };

/** Answers calls from the parent process until it exits. */
export const serveLlamaCpp = async (): Promise<void> => {
  let methods: PeerMethods | undefined;
  process.on("message", (call: PeerCall) => {
    void answer(call).then((reply) => process.send?.(reply));
  });
  const answer = async ({ method, request }: PeerCall): Promise<PeerAnswer> => {
    try {
      if (method === "open") {
        const opened = await open(request as OpenRequest);
        methods = opened.methods;
        return { result: opened.reply };
      }
      const run = methods![method] as (given: unknown) => Promise<unknown>;
      return { result: await run(request) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
  if (process.connected === true) await new Promise((resolve) => process.once("disconnect", resolve));
};

const open = async (request: OpenRequest): Promise<{ methods: PeerMethods; reply: unknown }> => {
  const { getLlama, LlamaLogLevel } = (await import(request.packageUrl)) as NodeLlamaCpp;
  const quiet = { progressLogs: false, logLevel: LlamaLogLevel.error };
  const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, maxThreads: 0, ...quiet });
  const model = await llama.loadModel({ modelPath: request.modelPath, gpuLayers: 0 });
  const context = await model.createContext(contextOptions(request));
  const reply = {
    release: llama.llamaCppRelease.release,
    systemInfo: llama.systemInfo.trim(),
    threads: context.idealThreads,
  };
  return { methods: sequenceMethods(context.getSequence()), reply };
};

const contextOptions = ({ types, threads, capacity }: OpenRequest): object => ({
  contextSize: capacity,
  sequences: 1,
  batchSize: 512,
  threads,
  flashAttention: types.flashAttention,
  experimentalKvCacheKeyType: packageType(types.key),
  experimentalKvCacheValueType: packageType(types.value),
});

const packageType = (type: CacheType): string => type.toUpperCase();

const sequenceMethods = (sequence: LlamaSequence): PeerMethods => ({
  open: async () => Promise.reject(new Error("expected to be opened once")),
  prefill: async ({ ids }) => {
    const start = performance.now();
    await evaluateLast(sequence, ids, { token: true, options: { temperature: 0 } });
    return performance.now() - start;
  },
  fill: async ({ ids, length }) => {
    await fillFromState(sequence, ids, length);
    assertLength(sequence, length);
  },
  decode: async ({ ids }) => {
    const start = sequence.nextTokenIndex;
    const times = await timedSteps(sequence, ids);
    assertLength(sequence, start + ids.length);
    await truncate(sequence, start);
    return times;
  },
  greedy: async ({ ids, tokens }) => {
    const generated: number[] = [];
    for await (const id of sequence.evaluate([...ids], GREEDY)) {
      generated.push(id);
      if (generated.length >= tokens) break;
    }
    await truncate(sequence, 0);
    return generated;
  },
  logits: async ({ prompt, ids, of }) => {
    const pieces = [[...prompt], ...ids.map((id) => [id])];
    for (const piece of pieces.slice(0, -1)) await sequence.evaluateWithoutGeneratingNewTokens(piece);
    const next = await evaluateLast(sequence, pieces.at(-1)!, { logits: { filter: { tokens: of } } });
    await truncate(sequence, 0);
    return of.map((id) => next?.logits?.get(id) ?? Number.NaN);
  },
  strided: async (request) => {
    await writeFile(request.path, await stridedLogits(sequence, request));
    await truncate(sequence, 0);
  },
  clear: async () => truncate(sequence, 0),
});

/** Tokens evaluated in one call: the package makes a map of the whole vocabulary for each position. */
const PIECE_TOKENS = 128;

const stridedLogits = async (
  sequence: LlamaSequence,
  { ids, stride, vocabulary }: Omit<StridedRequest, "path">,
): Promise<Float32Array> => {
  const logits = new Float32Array(Math.ceil(ids.length / stride) * vocabulary);
  for (let start = 0; start < ids.length; start += PIECE_TOKENS) {
    const piece = [...ids.subarray(start, start + PIECE_TOKENS)];
    const isWanted = (index: number): boolean => (start + index) % stride === 0;
    const results = await sequence.controlledEvaluate(
      piece.map((id, index) => (isWanted(index) ? [id, { generateNext: { logits: true } }] : id)),
    );
    for (const [index, result] of results.entries()) {
      const row = ((start + index) / stride) * vocabulary;
      if (isWanted(index)) for (const [id, logit] of result?.next?.logits ?? []) logits[row + id] = logit;
    }
  }
  return logits;
};

/** Appends tokens and returns what follows the last one. */
const evaluateLast = async (
  sequence: LlamaSequence,
  ids: Iterable<number>,
  generateNext: object,
): Promise<{ readonly logits?: ReadonlyMap<number, number> } | undefined> => {
  const all = [...ids];
  const results = await sequence.controlledEvaluate([...all.slice(0, -1), [all.at(-1), { generateNext }]]);
  return results.at(-1)?.next;
};

/** Generates as programs with this package do, but with the given tokens. */
const timedSteps = async (sequence: LlamaSequence, ids: Int32Array): Promise<number[]> => {
  const steps = sequence.evaluate([ids[0]!], GREEDY);
  const times: number[] = [];
  for (const [index, id] of ids.entries()) {
    const start = performance.now();
    await steps.next(index === 0 ? undefined : id);
    times.push(performance.now() - start);
  }
  await steps.return();
  return times;
};

/** Fails if the context was shifted or tokens were not evaluated: the times would mean something else. */
const assertLength = ({ nextTokenIndex }: LlamaSequence, length: number): void => {
  if (nextTokenIndex !== length) throw new Error(`expected ${length} tokens in the sequence, got ${nextTokenIndex}`);
};

const truncate = async (sequence: LlamaSequence, length: number): Promise<void> => {
  if (sequence.nextTokenIndex <= length) return;
  await sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]);
};
