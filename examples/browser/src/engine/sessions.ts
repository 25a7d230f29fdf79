import type { CreateSession } from "@kvtuner/decoder";
import gpuLoader from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import gpuCode from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import wasmLoader from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmCode from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

/** Compiles segments for ONNX Runtime's WebAssembly, which this call fetches. */
export const wasmSessions = async (threads: number): Promise<CreateSession> => {
  const { env, InferenceSession } = await import("onnxruntime-web/wasm");
  env.wasm.wasmPaths = { mjs: wasmLoader, wasm: wasmCode };
  env.wasm.numThreads = threads;
  return async (model) => InferenceSession.create(model, { executionProviders: ["wasm"] });
};

/** Without this, ONNX Runtime warns in each session that it computes shapes on the CPU. */
const ERRORS = 3;

/**
 * Compiles segments for ONNX Runtime's WebGPU provider on a shared device. The requested outputs stay in its buffers.
 */
export const webGpuSessions = async (device: GPUDevice): Promise<CreateSession> => {
  const { env, InferenceSession } = await import("onnxruntime-web/webgpu");
  env.wasm.wasmPaths = { mjs: gpuLoader, wasm: gpuCode };
  env.wasm.numThreads = 1;
  return async (model, { outputLocation } = { outputLocation: "cpu" }) =>
    InferenceSession.create(model, {
      executionProviders: [{ name: "webgpu", device }],
      preferredOutputLocation: outputLocation,
      logSeverityLevel: ERRORS,
    });
};
