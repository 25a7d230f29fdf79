/** Optional features that ONNX Runtime or the backend use. */
const FEATURES = ["shader-f16", "subgroups", "timestamp-query"] as const;

/** Limits that a device has only on request. */
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

/** A device, and whether it is a software driver, which computes on the processor. */
export interface FoundDevice {
  readonly device: GPUDevice;
  readonly isSoftware: boolean;
}

/**
 * The device that weights and cache share, with all features and limits of the adapter.
 *
 * @throws Error without WebGPU or without an adapter
 */
export const requestDevice = async (): Promise<FoundDevice> => {
  const adapter = await (navigator.gpu as GPU | undefined)?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) throw new Error("expected WebGPU in this browser, got none; switch it on, or run on WebAssembly");
  const { features, info, limits } = adapter;
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, limits[limit]])),
  });
  return { device, isSoftware: info.isFallbackAdapter || /swiftshader|llvmpipe/i.test(info.architecture) };
};
