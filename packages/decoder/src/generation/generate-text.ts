import { textStream } from "../tokenizer/text-stream.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { CacheSession } from "./cache-session.ts";
import { generateOn, type GenerateOnOptions } from "./generate-on.ts";
import { stopper } from "./stop.ts";

/** Tokens computed in some time. */
export interface Speed {
  readonly tokens: number;
  readonly timeMs: number;
  /** 0 when there were none. */
  readonly tokensPerSecond: number;
}

/** A generated text, and how long it took. */
export interface Generated {
  readonly text: string;
  /** Ids of the generated tokens, without the one that ended them. */
  readonly ids: readonly number[];
  /** Why it ended: the model or a text of `stop` said so, `maxTokens`, `contextLength`, or the signal. */
  readonly finish: "stop" | "length" | "context" | "interrupted";
  /** Tokens of the prompt, and how many of them the cache held already. */
  readonly prompt: { readonly tokens: number; readonly reused: number };
  /** The rest of the prompt. */
  readonly prefill: Speed;
  /** One token at a time, after the prompt. */
  readonly decode: Speed;
}

/** Options of {@link generateText}. */
export interface GenerateTextOptions extends Omit<GenerateOnOptions, "stopIds"> {
  readonly tokenizer: Pick<Tokenizer, "decode" | "eosIds">;
  /** Opens the session, loading the model if necessary; this is not timed. */
  readonly open: () => Promise<CacheSession>;
  /** Maximum number of tokens in the cache; at least those of the prompt. */
  readonly contextLength: number;
  /** Texts that end the generation; they are cut off. */
  readonly stop?: readonly string[];
  /** Receives the text in whole characters as it comes, and what was generated until then. */
  readonly onText?: (text: string, soFar: Omit<Generated, "finish">) => void;
}

/**
 * Generates a text on a cache until the model ends it. `signal` ends it too, without an error.
 *
 * @throws GenerationError as {@link generateOn}
 */
export const generateText = async (options: GenerateTextOptions): Promise<Generated> => {
  const { tokenizer, open, contextLength, stop = [], onText, onProgress, ...generation } = options;
  // The last token of a text is not fed to the cache.
  const maxTokens = Math.min(options.maxTokens, contextLength - options.prompt.length + 1);
  const clock = generationClock(options.prompt.length);
  const [stream, stopping] = [textStream(tokenizer), stopper(stop)];
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

/** Whether the signal ended the work; other errors are thrown. */
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
  /** Takes how many tokens of the prompt are fed. */
  prefilled(done: number, total: number): void;
  read(): Pick<Generated, "prompt" | "prefill" | "decode">;
}

const generationClock = (promptTokens: number): GenerationClock => {
  let session: CacheSession | undefined;
  // Until the prompt is read, the session may hold more than it, of a generation before.
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
