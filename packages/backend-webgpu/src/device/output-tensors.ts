import { Tensor } from "onnxruntime-common";
import { BufferPool } from "./buffer-pool.ts";
import type { Buffer } from "./buffer.ts";
import { Commands } from "./commands.ts";
import type { Gpu } from "./gpu.ts";
import type { Staging } from "./staging.ts";

/**
 * Output tensors in buffers of the device; `dispose()` of a tensor frees its buffer for another. Buffer sizes are powers
 * of two, so that calls of different token counts share buffers.
 */
export class OutputTensors {
  readonly #gpu: Gpu;
  readonly #staging: Staging;
  readonly #pool: BufferPool;

  constructor(gpu: Gpu, staging: Staging) {
    this.#gpu = gpu;
    this.#staging = staging;
    this.#pool = new BufferPool((buffer) => gpu.destroy(buffer));
  }

  /** A float32 tensor with undefined contents. */
  async take(dims: readonly number[]): Promise<Tensor> {
    const sizeBytes = 4 * dims.reduce((product, size) => product * size, 1);
    const whole = wholeBytes(sizeBytes, this.#gpu.device.limits.maxBufferSize);
    const buffer = this.#pool.take(whole) ?? (await this.#gpu.createBuffer(whole));
    return Tensor.fromGpuBuffer(buffer.gpu, {
      dataType: "float32",
      dims,
      download: () => this.#download(buffer, sizeBytes),
      dispose: () => this.#pool.giveBack(buffer),
    });
  }

  /** Destroys the free buffers, and from now on those of disposed tensors. */
  clear(): void {
    this.#pool.close();
  }

  async #download({ gpu }: Buffer, sizeBytes: number): Promise<Float32Array> {
    const target = await this.#staging.take(sizeBytes);
    const commands = new Commands(this.#gpu);
    commands.copy(gpu, 0, target.gpu, 0, sizeBytes);
    commands.submit();
    return new Float32Array(await this.#staging.read(target, sizeBytes));
  }
}

const wholeBytes = (sizeBytes: number, maxBufferSize: number): number =>
  Math.max(sizeBytes, Math.min(maxBufferSize, 2 ** Math.ceil(Math.log2(sizeBytes))));
