/** What one dispatch of a device may see and start. */
export interface GpuLimits {
  /** The most bytes of one binding of a kernel. */
  readonly maxBindingBytes: number;
  /** The most workgroups in one dimension of a dispatch. */
  readonly maxGroups: number;
}

/** The limits of a device. */
export const gpuLimits = ({ limits }: GPUDevice): GpuLimits => ({
  maxBindingBytes: Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize),
  maxGroups: limits.maxComputeWorkgroupsPerDimension,
});
