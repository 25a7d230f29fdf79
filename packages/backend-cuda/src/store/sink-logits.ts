import type { Device, DeviceMemory } from "../device/device.ts";

/** A layer's sink logits, one per query head, on the device from their first use. */
export class SinkLogits {
  readonly #device: Device;
  readonly #logits: readonly number[];
  #memory: DeviceMemory | undefined;

  constructor(device: Device, logits: readonly number[] = []) {
    this.#device = device;
    this.#logits = logits;
  }

  /**
   * Address of the float32 logits; 0 if the layer has none.
   *
   * @throws OutOfMemoryError
   */
  address(): number {
    if (this.#logits.length === 0) return 0;
    this.#memory ??= this.#upload();
    return this.#memory.address;
  }

  clear(): void {
    if (this.#memory) this.#device.free(this.#memory);
    this.#memory = undefined;
  }

  #upload(): DeviceMemory {
    const memory = this.#device.allocate(4 * this.#logits.length);
    this.#device.upload(memory.address, Float32Array.from(this.#logits));
    return memory;
  }
}
