import type { InferenceSession } from "onnxruntime-common";

/** Compiles an ONNX model. The caller chooses the runtime: onnxruntime-node, onnxruntime-web, or another. */
export type CreateSession = (model: Uint8Array) => Promise<InferenceSession>;
