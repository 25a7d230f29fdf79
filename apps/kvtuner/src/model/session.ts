import { availableParallelism } from "node:os";
import type { CreateSession } from "@kvtuner/decoder";

/**
 * Compiles segments with onnxruntime-node, to run on `threads` threads. Loads it with the first segment, so that `--help` is
 * fast.
 *
 * A decoder is about thirty sessions, each with its own threads. Threads that spin while they wait would take the cores from
 * the running session.
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
