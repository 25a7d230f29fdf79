/** The GPU went away, and with it weights and cache. */
export class GpuLostError extends Error {
  constructor(cause: Error) {
    super(
      "the driver, the system or the browser took the GPU away; generate again to reload the weights and the prompt",
      { cause },
    );
    this.name = "GpuLostError";
  }
}
