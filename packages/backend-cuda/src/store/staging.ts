import type { Device, DeviceMemory, Numbers } from "../device/device.ts";

/** Data that passes between JavaScript and the device in a call, or between two of its kernels. */
export type StagingName = "query" | "key" | "value" | "output" | "sums" | "statistics" | "image";

/** Room on the device for what is of no use after a call; it grows to the largest call. Calls of all caches take turns. */
export class Staging {
  readonly #device: Device;
  readonly #memory = new Map<StagingName, DeviceMemory>();

  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * Address of at least so many bytes.
   *
   * @throws OutOfMemoryError
   */
  room(name: StagingName, sizeBytes: number): number {
    const known = this.#memory.get(name);
    if (known && known.sizeBytes >= sizeBytes) return known.address;
    if (known) this.#device.free(known);
    this.#memory.delete(name);
    const memory = this.#device.allocate(sizeBytes);
    this.#memory.set(name, memory);
    return memory.address;
  }

  /** Brings numbers to the device, and says where. */
  bring(name: StagingName, numbers: Numbers): number {
    const address = this.room(name, numbers.byteLength);
    this.#device.upload(address, numbers);
    return address;
  }

  /** Gives back the room for whole tensors, which is large. */
  releaseImage(): void {
    const image = this.#memory.get("image");
    if (image) this.#device.free(image);
    this.#memory.delete("image");
  }
}
