import { PARAMETER_BYTES } from "./bind-groups.ts";
import type { Buffer } from "./buffer.ts";

/** Dispatches of one submit, at most. */
export const SHEET_ROWS = 1024;

const ROW_WORDS = PARAMETER_BYTES / 4;

/** Parameters of the dispatches of one submit, in one buffer that all submits take turns with. */
export class ParameterSheet {
  readonly #queue: GPUQueue;
  readonly #buffer: Buffer;
  readonly #words = new Uint32Array(SHEET_ROWS * ROW_WORDS);
  #rows = 0;

  constructor(queue: GPUQueue, buffer: Buffer) {
    this.#queue = queue;
    this.#buffer = buffer;
  }

  /** True when there is no room for one dispatch more. */
  get isFull(): boolean {
    return this.#rows === SHEET_ROWS;
  }

  /** Takes 32-bit words, negative ones too, and gives the offset in bytes. */
  add(words: readonly number[]): number {
    const row = this.#rows++;
    this.#words.set(words, row * ROW_WORDS);
    return row * PARAMETER_BYTES;
  }

  /** Sends what there is, for the next submit, and begins anew. */
  flush(): void {
    this.#queue.writeBuffer(this.#buffer.gpu, 0, this.#words, 0, this.#rows * ROW_WORDS);
    this.clear();
  }

  /** Begins anew. */
  clear(): void {
    this.#rows = 0;
  }
}
