import type { CacheTypes } from "./cache-types.ts";

/** What the llama.cpp process should load. */
export interface OpenRequest {
  /** URL of node-llama-cpp's entry. */
  readonly packageUrl: string;
  readonly modelPath: string;
  readonly threads: number;
  readonly types: CacheTypes;
  /** Tokens that the context holds. */
  readonly capacity: number;
}

/** Facts about the process. */
export interface OpenReply {
  /** llama.cpp's release. */
  readonly release: string;
  /** Instruction sets in use. */
  readonly systemInfo: string;
  /** Threads in use. */
  readonly threads: number;
}

/** Positions of the requested logits. */
export interface LogitsRequest {
  readonly prompt: Int32Array;
  readonly ids: readonly number[];
  readonly of: readonly number[];
}

/** A sample of text, and the positions whose logits are requested. */
export interface StridedRequest {
  readonly ids: Int32Array;
  readonly stride: number;
  readonly vocabulary: number;
  /** File to write. */
  readonly path: string;
}

/** Calls of the process, one at a time, on one sequence of tokens. Times are milliseconds. */
export interface PeerMethods {
  open(request: OpenRequest): Promise<OpenReply>;
  /** Appends tokens in one call; returns the time. */
  prefill(request: { readonly ids: Int32Array }): Promise<number>;
  /** Appends, untimed, until `length` tokens are held, repeating the first `ids`. */
  fill(request: { readonly ids: Int32Array; readonly length: number }): Promise<void>;
  /** Appends tokens one by one, each with its logits and their largest, and drops them again. Returns each time. */
  decode(request: { readonly ids: Int32Array }): Promise<number[]>;
  /** Greedy continuation of a prompt in an empty cache, which is emptied again. */
  greedy(request: { readonly ids: Int32Array; readonly tokens: number }): Promise<number[]>;
  /** Logits of some tokens after a prompt in one piece and `ids` one by one. The cache is empty before and after. */
  logits(request: LogitsRequest): Promise<number[]>;
  /**
   * Writes the logits of the whole vocabulary after every `stride`th token from the first to a file, float32 `[positions,
   * vocabulary]`: messages of that size take minutes. The cache is empty before and after.
   */
  strided(request: StridedRequest): Promise<void>;
  clear(request: Record<string, never>): Promise<void>;
}

/** A call on its way to the process. */
export interface PeerCall {
  readonly method: keyof PeerMethods;
  readonly request: unknown;
}

/** Its answer. */
export type PeerAnswer = { readonly result: unknown } | { readonly error: string };
