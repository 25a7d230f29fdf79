/** A buffer of a device, with a unique id. */
export interface Buffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  readonly sizeBytes: number;
}
