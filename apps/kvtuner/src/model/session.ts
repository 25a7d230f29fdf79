import { availableParallelism } from "node:os";
import type { CreateSession } from "@kvtuner/decoder";

/**
 * Compiles segments with onnxruntime-node, to run on so many threads; it is loaded when the first segment is compiled:
 * `--help` does not wait for it.
 *
 * A decoder is some thirty sessions, each with threads of its own: threads that spin while they wait would take the
 * cores from the session that is running.
 */
export const sessionsOn =
  (threads: number): CreateSession =>
  async (model) => {
    const { InferenceSession } = await import("onnxruntime-node");
    return InferenceSession.create(model, {
      intraOpNumThreads: threads,
      extra: { session: { intra_op: { allow_spinning: "0" } } },
    });
  };

/** Compiles a segment that runs on all cores. */
export const createSession: CreateSession = sessionsOn(availableParallelism());
