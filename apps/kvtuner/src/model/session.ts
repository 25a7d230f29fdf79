import { availableParallelism } from "node:os";

import type { CreateSession } from "@kvtuner/decoder";

/**
 * A decoder is some thirty sessions, each with threads of its own: threads that spin while they wait would take the
 * cores from the session that is running.
 */
const OPTIONS = {
  intraOpNumThreads: availableParallelism(),
  extra: { session: { intra_op: { allow_spinning: "0" } } },
};

/** Compiles a segment with onnxruntime-node, which is loaded when the first one is: `--help` does not wait for it. */
export const createSession: CreateSession = async (model) => {
  const { InferenceSession } = await import("onnxruntime-node");
  return InferenceSession.create(model, OPTIONS);
};
