import { KvtunerError } from "@kvtuner/plan";

/** Watches for the loss of a device. */
export class DeviceLoss {
  #info: GPUDeviceLostInfo | undefined;

  constructor(device: GPUDevice) {
    void this.#watch(device);
  }

  async #watch({ lost }: GPUDevice): Promise<void> {
    this.#info = await lost;
  }

  /** @throws DeviceLostError `BACKEND_DEVICE_LOST` when the device is lost */
  assertThere(): void {
    if (this.#info) throw new DeviceLostError(this.#info);
  }

  /** Waits for a result of the device; turns a failure into a DeviceLostError when the device is lost. */
  async during<Result>(pending: Promise<Result>): Promise<Result> {
    try {
      return await pending;
    } catch (cause) {
      // The loss is reported in a task of its own, which may run later.
      await new Promise((resolve) => setTimeout(resolve, 0));
      if (this.#info) throw new DeviceLostError(this.#info, { cause });
      throw cause;
    }
  }
}

/** The device is lost, and its caches with it. */
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
