import { Tensor } from "onnxruntime-common";
import type { Buffer } from "./buffer.ts";
import { Commands } from "./commands.ts";
import type { Engine } from "./engine.ts";

/**
 * Tensors for outputs in buffers of the device; `dispose()` of a tensor makes its buffer free for another. Sizes of buffers are
 * powers of two, so that calls of any number of tokens share a few.
 */
export class OutputTensors {
  readonly #engine: Engine;
  readonly #free = new Map<number, Buffer[]>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** A float32 tensor whose numbers are yet to be written. */
  async take(dims: readonly number[]): Promise<Tensor> {
    const sizeBytes = 4 * dims.reduce((product, size) => product * size, 1);
    const whole = wholeBytes(sizeBytes, this.#engine.device.limits.maxBufferSize);
    const buffer = this.#free.get(whole)?.pop() ?? (await this.#engine.createBuffer(whole));
    return Tensor.fromGpuBuffer(buffer.gpu, {
      dataType: "float32",
      dims,
      download: () => this.#download(buffer, sizeBytes),
      dispose: () => this.#free.set(whole, [...(this.#free.get(whole) ?? []), buffer]),
    });
  }

  /** Gives the free buffers back. */
  clear(): void {
    for (const buffer of [...this.#free.values()].flat()) this.#engine.destroy(buffer);
    this.#free.clear();
  }

  async #download({ gpu }: Buffer, sizeBytes: number): Promise<Float32Array> {
    const { staging } = this.#engine;
    const target = await staging.take(sizeBytes);
    const commands = new Commands(this.#engine);
    commands.copy(gpu, 0, target.gpu, 0, sizeBytes);
    commands.submit();
    return new Float32Array(await staging.read(target, sizeBytes));
  }
}

const wholeBytes = (sizeBytes: number, maxBufferSize: number): number =>
  Math.max(sizeBytes, Math.min(maxBufferSize, 2 ** Math.ceil(Math.log2(sizeBytes))));
