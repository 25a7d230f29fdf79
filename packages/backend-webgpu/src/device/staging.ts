import { BufferPool } from "./buffer-pool.ts";
import type { Buffer } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import { COPY_TARGET, MAP_READ } from "./usage.ts";

/** Buffers for downloads to the CPU, kept for reuse. Sizes are powers of two. */
export class Staging {
  readonly #gpu: Gpu;
  readonly #pool: BufferPool;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#pool = new BufferPool((buffer) => gpu.destroy(buffer));
  }

  /** A buffer of at least `sizeBytes` bytes. */
  async take(sizeBytes: number): Promise<Buffer> {
    const whole = 2 ** Math.max(12, Math.ceil(Math.log2(sizeBytes)));
    return this.#pool.take(whole) ?? this.#gpu.createBuffer(whole, MAP_READ | COPY_TARGET);
  }

  /** Downloads the first bytes of a buffer into an array of their own, and frees the buffer. */
  async read(buffer: Buffer, sizeBytes: number): Promise<ArrayBuffer> {
    const { gpu } = buffer;
    this.#gpu.counters.readBacks++;
    await this.#gpu.loss.during(gpu.mapAsync(MAP_READ, 0, sizeBytes));
    const bytes = gpu.getMappedRange(0, sizeBytes).slice(0);
    gpu.unmap();
    this.giveBack(buffer);
    return bytes;
  }

  /** Frees a buffer without reading it. */
  giveBack(buffer: Buffer): void {
    this.#pool.giveBack(buffer);
  }

  /** Destroys the free buffers, and from now on those that become free. */
  clear(): void {
    this.#pool.close();
  }
}
