/** Optional features that ONNX Runtime or the backend make use of. */
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;

/** Limits that are only as high as one asks for. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;

/** A device, and whether it is no GPU but a driver that computes on the processor. */
export interface FoundDevice {
  readonly device: GPUDevice;
  readonly isSoftware: boolean;
}

/**
 * The device that weights and cache share, with all that the adapter has.
 *
 * @throws Error where there is no WebGPU or no adapter
 */
export const requestDevice = async (): Promise<FoundDevice> => {
  const adapter = await (navigator.gpu as GPU | undefined)?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new Error(
      "expected a GPU that this browser shows to pages, got none; switch WebGPU on, or run on WebAssembly",
    );
  const { features, info, limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, limits[limit]])),
  });
  return { device, isSoftware: info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(info.architecture) };
};
