import { create, globals } from "webgpu";

const FEATURES = ["shader-f16", "subgroups"];
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
];

/**
 * WebGPU in Node as in a page, and one device with the adapter's features and limits, for both sides of a comparison.
 *
 * @returns `{ gpu, device, info }`; undefined without an adapter. `gpu` must outlive the device
 */
export const openDevice = async () => {
  const gpu = create([]);
  const adapter = await settled(gpu.requestAdapter({ powerPreference: "high-performance" })).catch(() => null);
  if (!adapter) return undefined;
  // onnxruntime-web looks for both as globals.
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  return { gpu, device, info: adapter.info };
};

/**
 * Waits for a promise of the device. Dawn settles promises without waking Node, so a promise that nothing else wakes would wait
 * forever. A timer would add its own milliseconds to the measurement.
 */
export const settled = async (promise) => {
  const watched = { pending: true };
  const end = () => (watched.pending = false);
  promise.then(end, end);
  while (watched.pending) await new Promise(setImmediate);
  return promise;
};
