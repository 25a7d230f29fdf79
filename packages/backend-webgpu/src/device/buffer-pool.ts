import type { Buffer } from "./buffer.ts";

/**
 * A free buffer is destroyed after this many takes of others. Rounds over a few hundred layers keep all their buffers.
 */
const MOST_PASSES = 512;

/** A free buffer, and the number of takes when it became free. */
interface FreeBuffer {
  readonly buffer: Buffer;
  readonly since: number;
}

/** Free buffers for reuse. Buffers in regular use stay; a closed pool keeps none. */
export class BufferPool {
  readonly #destroy: (buffer: Buffer) => void;
  /** Oldest first. */
  #free: FreeBuffer[] = [];
  #takes = 0;
  #isClosed = false;

  constructor(destroy: (buffer: Buffer) => void) {
    this.#destroy = destroy;
  }

  /** The most recently freed buffer of exactly this size, if any. */
  take(sizeBytes: number): Buffer | undefined {
    this.#takes++;
    const index = this.#free.findLastIndex(({ buffer }) => buffer.sizeBytes === sizeBytes);
    const found = index < 0 ? undefined : this.#free.splice(index, 1)[0]?.buffer;
    this.#dropOld();
    return found;
  }

  /** Makes a buffer free; a closed pool destroys it. */
  giveBack(buffer: Buffer): void {
    if (this.#isClosed) return this.#destroy(buffer);
    this.#free.push({ buffer, since: this.#takes });
  }

  /** Destroys the free buffers, and from now on every buffer given back. */
  close(): void {
    this.#isClosed = true;
    for (const { buffer } of this.#free.splice(0)) this.#destroy(buffer);
  }

  #dropOld(): void {
    while (this.#free[0] && this.#takes - this.#free[0].since > MOST_PASSES) this.#destroy(this.#free.shift()!.buffer);
  }
}
