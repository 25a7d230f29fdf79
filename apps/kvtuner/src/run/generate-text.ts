import {
  generateOn,
  seededRandom,
  textStream,
  type CacheSession,
  type GenerateOnOptions,
  type Tokenizer,
} from "@kvtuner/decoder";
import type { Filled } from "@kvtuner/tuning";
import type { GENERATION_OPTIONS, GenerationOptions } from "../options.ts";
import { stopper } from "./stop.ts";

type GenerationSettings = Filled<typeof GENERATION_OPTIONS>;

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
  /** Why it ended: the model or a text of `stop` said so, `maxTokens`, the model's or the backend's longest context, or the signal. */
  readonly finish: "stop" | "length" | "context" | "interrupted";
  /** Tokens of the prompt, and how many of them the cache held already. */
  readonly prompt: { readonly tokens: number; readonly reused: number };
  /** The rest of the prompt. */
  readonly prefill: Speed;
  /** One token at a time, behind the prompt. */
  readonly decode: Speed;
}

/** Inputs of a generated text. */
export interface GenerationParts {
  /** Gives the session, when the model is loaded. */
  readonly open: () => Promise<CacheSession>;
  readonly tokenizer: Tokenizer;
  readonly prompt: Int32Array;
  /** The most tokens that the cache may hold; at least those of the prompt. */
  readonly room: number;
  /** Told how many of the prompt's tokens that the cache did not hold are fed. */
  readonly onPrefill: (done: number, total: number) => void;
}

/**
 * Generates a text on a cache.
 *
 * @throws GenerationError for a prompt that is empty
 */
export const generateText = async (
  parts: GenerationParts,
  settings: GenerationSettings,
  { onText, signal }: Pick<GenerationOptions, "onText" | "signal">,
): Promise<Generated> => {
  const limit = tokenLimit(parts, settings);
  const clock = generationClock(parts);
  const stream = textStream(parts.tokenizer);
  const stop = stopper(settings.stop);
  const ids: number[] = [];
  let text = "";
  const give = (fresh: string): void => {
    text += fresh;
    if (fresh !== "") onText?.(fresh);
  };
  const generationOptions = {
    ...samplingOf(settings),
    prompt: parts.prompt,
    maxTokens: limit.tokens,
    stopIds: parts.tokenizer.eosIds,
    onProgress: (done: number, total: number) => {
      clock.prefilled(done, total);
      parts.onPrefill(done, total);
    },
    ...(signal && { signal }),
  };
  const interrupted = await untilAborted(signal, async () => {
    const session = await parts.open();
    clock.opened(session);
    for await (const id of generateOn(session, generationOptions)) {
      ids.push(id);
      give(stop.push(stream.push(id)));
      if (stop.stopped()) break;
    }
  });
  const timing = clock.end();
  give(stop.push(stream.end()) + stop.end());
  const ended = stop.stopped() || ids.length < limit.tokens ? "stop" : limit.finish;
  return { text, ids, finish: interrupted ? "interrupted" : ended, ...timing };
};

const samplingOf = ({ temperature, topP, topK, seed }: GenerationSettings): Pick<GenerateOnOptions, "sampling"> => ({
  sampling: { temperature, ...(topP < 1 && { topP }), ...(topK !== undefined && { topK }), random: seededRandom(seed) },
});

/** Whether the signal ended what was done; other errors are thrown. */
const untilAborted = async (signal: AbortSignal | undefined, work: () => Promise<void>): Promise<boolean> => {
  try {
    await work();
    return false;
  } catch (error) {
    if (signal?.aborted === true && error === signal.reason) return true;
    throw error;
  }
};

/** The last token of a text is not fed to the cache, which so has room for one more. */
const tokenLimit = (
  { prompt, room }: GenerationParts,
  { maxTokens }: GenerationSettings,
): { readonly tokens: number; readonly finish: "length" | "context" } => {
  const most = room - prompt.length + 1;
  return maxTokens <= most ? { tokens: maxTokens, finish: "length" } : { tokens: most, finish: "context" };
};

interface GenerationClock {
  /** Starts counting; the loading of the model is none of the prompt's. */
  opened(session: CacheSession): void;
  /** Told of the tokens of the prompt fed so far. */
  prefilled(done: number, total: number): void;
  end(): Pick<Generated, "prompt" | "prefill" | "decode">;
}

const generationClock = ({ prompt }: Pick<GenerationParts, "prompt">): GenerationClock => {
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
      [fed, reused, prefillEnd] = [done, prompt.length - total, performance.now()];
      if (done === total) decoding = session;
    },
    end: () => ({
      prompt: { tokens: prompt.length, reused },
      prefill: speed(fed, prefillEnd - start),
      decode: decoding ? speed(decoding.ids.length - prompt.length, performance.now() - prefillEnd) : speed(0, 0),
    }),
  };
};

const speed = (tokens: number, timeMs: number): Speed => ({
  tokens,
  timeMs,
  tokensPerSecond: tokens === 0 || timeMs === 0 ? 0 : (1000 * tokens) / timeMs,
});
