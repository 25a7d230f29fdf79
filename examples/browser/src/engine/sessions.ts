import type { CreateSession } from "@kvtuner/decoder";
import wasmLoader from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmCode from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

/** Compiles segments for ONNX Runtime's WebAssembly, which is fetched when this is called. */
export const wasmSessions = async (threads: number): Promise<CreateSession> => {
  const { env, InferenceSession } = await import("onnxruntime-web/wasm");
  env.wasm.wasmPaths = { mjs: wasmLoader, wasm: wasmCode };
  env.wasm.numThreads = threads;
  return async (model) => InferenceSession.create(model, { executionProviders: ["wasm"] });
};
