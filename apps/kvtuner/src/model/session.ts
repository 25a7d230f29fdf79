import type { CreateSession } from "@kvtuner/decoder";

/** Compiles a segment with onnxruntime-node, which is loaded when the first one is: `--help` does not wait for it. */
export const createSession: CreateSession = async (model) => {
  const { InferenceSession } = await import("onnxruntime-node");
  return InferenceSession.create(model);
};
