import type { Device, DeviceMemory } from "../device/device.ts";

/** Free pages for reuse by other tensors: prompts pass through 16 bits layer by layer. */
export class PagePool {
  readonly #device: Device;
  readonly #idle = new Map<number, DeviceMemory[]>();

  constructor(device: Device) {
    this.#device = device;
  }

  /** @throws OutOfMemoryError */
  take(sizeBytes: number): DeviceMemory {
    const idle = this.#idle.get(sizeBytes)?.pop();
    if (idle) return idle;
    try {
      return this.#device.allocate(sizeBytes);
    } catch (error) {
      if (!this.trim()) throw error;
      return this.#device.allocate(sizeBytes);
    }
  }

  give(page: DeviceMemory): void {
    const idle = this.#idle.get(page.sizeBytes);
    if (idle) idle.push(page);
    else this.#idle.set(page.sizeBytes, [page]);
  }

  /** Frees all idle pages. Returns false if there were none. */
  trim(): boolean {
    const pages = [...this.#idle.values()].flat();
    this.#idle.clear();
    for (const page of pages) this.#device.free(page);
    return pages.length > 0;
  }
}
