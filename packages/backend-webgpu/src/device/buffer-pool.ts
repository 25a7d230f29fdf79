import type { Buffer } from "./buffer.ts";

/** A free buffer that so many takes have passed by is given back to the device: rounds of a few hundred layers keep all of theirs. */
const MOST_PASSES = 512;

/** A buffer that waits, and how many takes there had been when it came. */
interface FreeBuffer {
  readonly buffer: Buffer;
  readonly since: number;
}

/** Buffers that wait for their next use. It keeps what is in use again and again, and none once it is closed. */
export class BufferPool {
  readonly #destroy: (buffer: Buffer) => void;
  /** Those that wait the longest are first. */
  #free: FreeBuffer[] = [];
  #takes = 0;
  #isClosed = false;

  constructor(destroy: (buffer: Buffer) => void) {
    this.#destroy = destroy;
  }

  /** The buffer of exactly so many bytes that was used last, if there is any. */
  take(sizeBytes: number): Buffer | undefined {
    this.#takes++;
    const index = this.#free.findLastIndex(({ buffer }) => buffer.sizeBytes === sizeBytes);
    const found = index < 0 ? undefined : this.#free.splice(index, 1)[0]?.buffer;
    this.#dropOld();
    return found;
  }

  /** Makes a buffer free; in a closed pool nobody would take it. */
  giveBack(buffer: Buffer): void {
    if (this.#isClosed) return this.#destroy(buffer);
    this.#free.push({ buffer, since: this.#takes });
  }

  /** Gives the free buffers back to the device, and from now on those that become free. */
  close(): void {
    this.#isClosed = true;
    for (const { buffer } of this.#free.splice(0)) this.#destroy(buffer);
  }

  #dropOld(): void {
    while (this.#free[0] && this.#takes - this.#free[0].since > MOST_PASSES) this.#destroy(this.#free.shift()!.buffer);
  }
}
