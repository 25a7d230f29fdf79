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
 * WebGPU in Node as a page has it, and one device with all that its adapter can do, for both sides of a comparison.
 *
 * @returns `{ gpu, device, info }`; undefined on a machine without an adapter. `gpu` must outlive the device
 */
export const openDevice = async () => {
  const gpu = create([]);
  const adapter = await settled(gpu.requestAdapter({ powerPreference: "high-performance" })).catch(() => null);
  if (!adapter) return undefined;
  // onnxruntime-web asks for both by their global names.
  Object.assign(globalThis, globals);
  Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
    requiredLimits: Object.fromEntries(LIMITS.map((limit) => [limit, adapter.limits[limit]])),
  });
  return { gpu, device, info: adapter.info };
};

/**
 * Waits for a promise of the device. Dawn settles promises in Node without waking it, so that one which nothing else wakes waits for
 * ever; a timer would do, but with its own milliseconds among those that are measured.
 */
export const settled = async (promise) => {
  const watched = { pending: true };
  const end = () => (watched.pending = false);
  promise.then(end, end);
  while (watched.pending) await new Promise(setImmediate);
  return promise;
};
