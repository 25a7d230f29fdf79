import { InferenceSession } from "onnxruntime-node";

/** A session of a small model. Starting more threads for it takes longer than running it. */
export const oneThreadSession = (model: Uint8Array): Promise<InferenceSession> =>
  InferenceSession.create(model, { intraOpNumThreads: 1 });
