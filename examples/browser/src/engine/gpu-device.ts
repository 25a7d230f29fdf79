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

/**
 * The device that weights and cache share, with all that the adapter has.
 *
 * @throws Error where there is no WebGPU or no adapter
 */
export const requestDevice = async (): Promise<GPUDevice> => {
  const adapter = await (navigator.gpu as GPU | undefined)?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter)
    throw new Error(
      "expected a GPU that this browser shows to pages, got none; switch WebGPU on, or run on WebAssembly",
    );
  return adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
};
