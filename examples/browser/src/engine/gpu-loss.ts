/** The GPU went away, and with it weights and cache. */
export class GpuLostError extends Error {
  constructor(cause: Error) {
    super(
      "expected the GPU to stay, it was taken away by the driver, the system or the browser; generate again, which loads the weights and reads the prompt anew",
      { cause },
    );
    this.name = "GpuLostError";
  }
}
