import { textStream } from "../tokenizer/text-stream.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CacheSession } from "./cache-session.ts";
import { generateOn, type GenerateOnOptions } from "./generate-on.ts";
import { stopper } from "./stop.ts";

/** Tokens, and the time that they took. */
export interface Speed {
  readonly tokens: number;
  readonly timeMs: number;
  /** 0 without tokens. */
  readonly tokensPerSecond: number;
}

/** A generated text with its timings. */
export interface Generated {
  readonly text: string;
  /** Ids of the generated tokens, without the end token. */
  readonly ids: readonly number[];
  /**
   * Why it ended: an end token or stop text ("stop"), `maxTokens` ("length"), `contextLength` ("context") or the signal
   * ("interrupted").
   */
  readonly finish: "stop" | "length" | "context" | "interrupted";
  /** Tokens of the prompt, and how many of them were cached already. */
  readonly prompt: { readonly tokens: number; readonly reused: number };
  /** Computing the rest of the prompt. */
  readonly prefill: Speed;
  /** Generating, one token at a time. */
  readonly decode: Speed;
}

/** Options of {@link generateText}. */
export interface GenerateTextOptions extends Omit<GenerateOnOptions, "stopIds"> {
  readonly tokenizer: Pick<Tokenizer, "decode" | "eosIds">;
  /** Opens the session, loading the model if necessary. Not timed. */
  readonly open: () => Promise<CacheSession>;
  /** Most tokens in the cache; at least those of the prompt. */
  readonly contextLength: number;
  /** Texts that end the generation; not part of the output. */
  readonly stop?: readonly string[];
  /** Called with each new text, in whole characters, and everything generated so far. */
  readonly onText?: (text: string, soFar: Omit<Generated, "finish">) => void;
}

/**
 * Generates a text on a cache until the model ends it. An aborted `signal` ends it without an error.
 *
 * @throws GenerationError as {@link generateOn}
 */
export const generateText = async (options: GenerateTextOptions): Promise<Generated> => {
  const { tokenizer, open, contextLength, stop = [], onText, onProgress, ...generation } = options;
  // The last token of a text is not fed to the cache.
  const maxTokens = Math.min(options.maxTokens, contextLength - options.prompt.length + 1);
  const clock = generationClock(options.prompt.length);
  const [stream, stopping] = [textStream(tokenizer, generation.prompt.slice(-1)), stopper(stop)];
  const ids: number[] = [];
  let text = "";
  const give = (fresh: string): void => {
    text += fresh;
    if (fresh !== "") onText?.(fresh, { text, ids, ...clock.read() });
  };
  const onPrefill = (done: number, total: number): void => {
    clock.prefilled(done, total);
    onProgress?.(done, total);
  };
  const interrupted = await untilAborted(options.signal, async () => {
    const session = await open();
    clock.opened(session);
    const settings = { ...generation, maxTokens, stopIds: tokenizer.eosIds, onProgress: onPrefill };
    for await (const id of generateOn(session, settings)) {
      ids.push(id);
      give(stopping.push(stream.push(id)));
      if (stopping.stopped()) break;
    }
  });
  const times = clock.read();
  give(stopping.push(stream.end()) + stopping.end());
  const isWhole = stopping.stopped() || ids.length < maxTokens;
  const ended = isWhole ? "stop" : maxTokens < options.maxTokens ? "context" : "length";
  return { text, ids, finish: interrupted ? "interrupted" : ended, ...times };
};

/** Returns true when the signal ended the work; throws other errors. */
const untilAborted = async (signal: AbortSignal | undefined, work: () => Promise<void>): Promise<boolean> => {
  try {
    await work();
    return false;
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return true;
    throw error;
  }
};

interface GenerationClock {
  opened(session: CacheSession): void;
  prefilled(done: number, total: number): void;
  read(): Pick<Generated, "prompt" | "prefill" | "decode">;
}

const generationClock = (promptTokens: number): GenerationClock => {
  let session: CacheSession | undefined;
  // Set once the prompt is read: before, the session may hold tokens of an earlier generation.
  let decoding: CacheSession | undefined;
  let [start, fed, reused, prefillEnd] = [0, 0, 0, 0];
  return {
    opened: (given) => {
      session = given;
      start = prefillEnd = performance.now();
    },
    prefilled: (done, total) => {
      [fed, reused, prefillEnd] = [done, promptTokens - total, performance.now()];
      if (done === total) decoding = session;
    },
    read: () => ({
      prompt: { tokens: promptTokens, reused },
      prefill: speed(fed, prefillEnd - start),
      decode: decoding ? speed(decoding.ids.length - promptTokens, performance.now() - prefillEnd) : speed(0, 0),
    }),
  };
};

const speed = (tokens: number, timeMs: number): Speed => ({
  tokens,
  timeMs,
  tokensPerSecond: tokens === 0 || timeMs === 0 ? 0 : (1000 * tokens) / timeMs,
});
