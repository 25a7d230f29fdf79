/** A buffer of a device under a number that no other has. */
export interface Buffer {
  readonly id: number;
  readonly gpu: GPUBuffer;
  readonly sizeBytes: number;
}
