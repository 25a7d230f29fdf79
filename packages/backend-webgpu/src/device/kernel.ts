/** A compiled kernel. */
export interface Kernel {
  readonly id: number;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a kernel does with the buffers of its bindings, from binding 1 on. */
export type Access = "read" | "write";
