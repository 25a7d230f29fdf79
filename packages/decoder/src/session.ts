import type { InferenceSession } from "onnxruntime-common";

/** Options of a session. */
export interface SessionOptions {
  /** Where outputs stay: on the CPU, or in buffers of the device that it runs on. */
  readonly outputLocation: "cpu" | "gpu-buffer";
}

/**
 * Compiles an ONNX model. The caller chooses the runtime: onnxruntime-node, onnxruntime-web, or another. Outputs stay on
 * the CPU unless `options` say otherwise, which happens only with `deviceTensors`.
 */
export type CreateSession = (model: Uint8Array, options?: SessionOptions) => Promise<InferenceSession>;
