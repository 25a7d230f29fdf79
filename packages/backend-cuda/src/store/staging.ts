import type { Device, DeviceMemory, Numbers } from "../device/device.ts";

/** Data that a call passes between JavaScript and the device, or between two kernels. */
export type StagingName =
  | "query"
  | "key"
  | "value"
  | "output"
  | "sums"
  | "statistics"
  | "image"
  | "rows"
  | "decodedKeys"
  | "decodedValues";

/** Device memory for temporary data, sized for the largest call so far. Calls of all caches share it. */
export class Staging {
  readonly #device: Device;
  readonly #memory = new Map<StagingName, DeviceMemory>();

  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * Reserves at least `sizeBytes` bytes and returns their address.
   *
   * @throws OutOfMemoryError
   */
  reserve(name: StagingName, sizeBytes: number): number {
    const known = this.#memory.get(name);
    if (known && known.sizeBytes >= sizeBytes) return known.address;
    if (known) this.#device.free(known);
    this.#memory.delete(name);
    const memory = this.#device.allocate(sizeBytes);
    this.#memory.set(name, memory);
    return memory.address;
  }

  /** Uploads numbers and returns their address. */
  bring(name: StagingName, numbers: Numbers): number {
    const address = this.reserve(name, numbers.byteLength);
    this.#device.upload(address, numbers);
    return address;
  }

  /** Frees the memory for whole tensors, which is large. */
  releaseImage(): void {
    const image = this.#memory.get("image");
    if (image) this.#device.free(image);
    this.#memory.delete("image");
  }
}
