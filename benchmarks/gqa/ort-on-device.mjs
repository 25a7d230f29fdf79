import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import * as ort from "onnxruntime-web/webgpu";
import { settled } from "./dawn.mjs";

const wasmFile = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm");

/**
 * ONNX Runtime with its WebGPU provider on our device. Uses onnxruntime-web, which runs in Node too: onnxruntime-node has the
 * provider, but accepts neither a device nor `kvCacheQuantizationBits`.
 */
export const openOrt = (device) => {
  copySharedUploads(device.queue);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = {
    mjs: new URL("./ort-session-entries.mjs", import.meta.url).href,
    wasm: pathToFileURL(wasmFile).href,
  };
  return ort;
};

/** A session whose outputs stay on the device, with a cache of 4 or 8 bits, or in the model's own type (0). */
export const createSession = async (device, model, cacheBits) => {
  const options = {
    executionProviders: [{ name: "webgpu", device, validationMode: "disabled" }],
    preferredOutputLocation: "gpu-buffer",
    ...(cacheBits > 0 && { logId: `ep.webgpuexecutionprovider.kvCacheQuantizationBits=${cacheBits}` }),
  };
  try {
    return await settled(ort.InferenceSession.create(model, options));
  } catch (error) {
    // WebAssembly exceptions arrive as addresses.
    throw error instanceof Error ? error : new Error(`the session is refused (${String(error)})`, { cause: error });
  }
};

/** ONNX Runtime uploads from shared memory, which Dawn in Node rejects. Uploads are small, so copy them. */
const copySharedUploads = (queue) => {
  const write = queue.writeBuffer;
  queue.writeBuffer = (buffer, offset, data, ...range) =>
    write.call(queue, buffer, offset, data.buffer instanceof SharedArrayBuffer ? new Uint8Array(data) : data, ...range);
};
