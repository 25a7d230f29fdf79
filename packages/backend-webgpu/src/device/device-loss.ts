import { KvtunerError } from "@kvtuner/plan";

/** Watches whether a device is still there. */
export class DeviceLoss {
  #info: GPUDeviceLostInfo | undefined;

  constructor(device: GPUDevice) {
    void this.#watch(device);
  }

  async #watch({ lost }: GPUDevice): Promise<void> {
    this.#info = await lost;
  }

  /**
   * Checks that the device is there.
   *
   * @throws DeviceLostError `BACKEND_DEVICE_LOST`
   */
  assertThere(): void {
    if (this.#info) throw new DeviceLostError(this.#info);
  }

  /** Waits for something of the device; if it fails because the device is gone, says so. */
  async during<Result>(pending: Promise<Result>): Promise<Result> {
    try {
      return await pending;
    } catch (cause) {
      // The loss is told of in a task of its own, which may come after.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (this.#info) throw new DeviceLostError(this.#info, { cause });
      throw cause;
    }
  }
}

/** The device is gone, and what its caches held with it. */
export class DeviceLostError extends KvtunerError {
  constructor({ reason, message }: GPUDeviceLostInfo, options?: { readonly cause?: unknown }) {
    super(
      "BACKEND_DEVICE_LOST",
      `the GPU device was lost (${reason}: ${message}); create a new backend and restore its caches from their last snapshots`,
      options,
    );
    this.name = "DeviceLostError";
  }
}
