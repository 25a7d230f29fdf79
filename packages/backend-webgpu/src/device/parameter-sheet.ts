import { PARAMETER_BYTES } from "./bind-groups.ts";
import type { Buffer } from "./buffer.ts";

/** Most dispatches of one submit. */
export const SHEET_ROWS = 1024;

const ROW_WORDS = PARAMETER_BYTES / 4;

/** Parameters of the dispatches of one submit, in one buffer that all submits share. */
export class ParameterSheet {
  readonly #queue: GPUQueue;
  readonly #buffer: Buffer;
  readonly #words = new Uint32Array(SHEET_ROWS * ROW_WORDS);
  #rows = 0;

  constructor(queue: GPUQueue, buffer: Buffer) {
    this.#queue = queue;
    this.#buffer = buffer;
  }

  get isFull(): boolean {
    return this.#rows === SHEET_ROWS;
  }

  /** Adds a row of 32-bit words, negative ones included. Returns its offset in bytes. */
  add(words: readonly number[]): number {
    const row = this.#rows++;
    this.#words.set(words, row * ROW_WORDS);
    return row * PARAMETER_BYTES;
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
