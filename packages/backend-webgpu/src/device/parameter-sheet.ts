import { ROW_BYTES } from "./bind-groups.ts";
import type { Buffer } from "./buffer.ts";

/** Rows of the parameters of one submit. */
export const SHEET_ROWS = 1024;

const ROW_WORDS = ROW_BYTES / 4;

/** Parameters of the dispatches of one submit, each in as many rows as needed, in one buffer that all submits share. */
export class ParameterSheet {
  readonly #queue: GPUQueue;
  readonly #buffer: Buffer;
  readonly #words = new Uint32Array(SHEET_ROWS * ROW_WORDS);
  #rows = 0;

  constructor(queue: GPUQueue, buffer: Buffer) {
    this.#queue = queue;
    this.#buffer = buffer;
  }

  /** Adds 32-bit words, negative ones included. Returns their offset in bytes, or undefined if they do not fit. */
  add(words: readonly number[]): number | undefined {
    const row = this.#rows;
    const end = row + Math.ceil(words.length / ROW_WORDS);
    if (end > SHEET_ROWS) return undefined;
    this.#words.set(words, row * ROW_WORDS);
    this.#rows = end;
    return row * ROW_BYTES;
  }

  /** Uploads the rows for the next submit and clears the sheet. */
  flush(): void {
    this.#queue.writeBuffer(this.#buffer.gpu, 0, this.#words, 0, this.#rows * ROW_WORDS);
    this.clear();
  }

  clear(): void {
    this.#rows = 0;
  }
}
