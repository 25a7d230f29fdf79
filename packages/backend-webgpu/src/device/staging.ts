import { BufferPool } from "./buffer-pool.ts";
import type { Buffer } from "./buffer.ts";
import type { Gpu } from "./gpu.ts";
import { COPY_TARGET, MAP_READ } from "./usage.ts";

/** Buffers that numbers come back to the CPU in, kept for the next time. Their sizes are powers of two. */
export class Staging {
  readonly #gpu: Gpu;
  readonly #pool: BufferPool;

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
    this.#pool = new BufferPool((buffer) => gpu.destroy(buffer));
  }

  /** A buffer of at least so many bytes. */
  async take(sizeBytes: number): Promise<Buffer> {
    const whole = 2 ** Math.max(12, Math.ceil(Math.log2(sizeBytes)));
    return this.#pool.take(whole) ?? this.#gpu.createBuffer(whole, MAP_READ | COPY_TARGET);
  }

  /** The first bytes of a buffer that something was copied to, as an array of their own; the buffer is free then. */
  async read(buffer: Buffer, sizeBytes: number): Promise<ArrayBuffer> {
    const { gpu } = buffer;
    this.#gpu.counters.readBacks++;
    await this.#gpu.loss.during(gpu.mapAsync(MAP_READ, 0, sizeBytes));
    const bytes = gpu.getMappedRange(0, sizeBytes).slice(0);
    gpu.unmap();
    this.giveBack(buffer);
    return bytes;
  }

  /** Makes a buffer free that nothing was copied to. */
  giveBack(buffer: Buffer): void {
    this.#pool.giveBack(buffer);
  }

  /** Gives the free buffers back, and from now on those that become free. */
  clear(): void {
    this.#pool.close();
  }
}
