import type { InferenceSession } from "onnxruntime-common";

/** How a session is to run. */
export interface SessionOptions {
  /** Where it leaves its outputs: on the CPU, or in buffers of the device that it runs on. */
  readonly outputLocation: "cpu" | "gpu-buffer";
}

/**
 * Compiles an ONNX model. The caller chooses the runtime: onnxruntime-node, onnxruntime-web, or another. Outputs are left on
 * the CPU unless `options` say otherwise, which they do only for a decoder that is loaded with `deviceTensors`.
 */
export type CreateSession = (model: Uint8Array, options?: SessionOptions) => Promise<InferenceSession>;
