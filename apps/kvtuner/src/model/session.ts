import { availableParallelism } from "node:os";
import type { CreateSession, Session } from "@kvtuner/decoder";

/**
 * Compiles segments with onnxruntime-node, to run on `threads` threads. Loads it with the first segment, so that `--help` is
 * fast.
 *
 * A decoder is about thirty sessions, each with its own threads and memory. Threads that spin while they wait would take the
 * cores from the running session. Arenas and memory patterns would keep the activations of the longest prompt in each.
 */
export const sessionsOn =
  (threads: number): CreateSession<Uint8Array | string> =>
  async (model, options) => {
    const { InferenceSession, Tensor } = await import("onnxruntime-node");
    const session = await InferenceSession.create(model as Uint8Array, {
      intraOpNumThreads: threads,
      enableCpuMemArena: false,
      enableMemPattern: false,
      extra: {
        session: {
          intra_op: { allow_spinning: "0" },
          ...(options?.keepsMapped === true && { disable_prepacking: "1" }),
          ...(options?.weightsFolder !== undefined && {
            model_external_initializers_file_folder_path: options.weightsFolder,
          }),
        },
      },
    });
    const outputTensor: Session["outputTensor"] = (data, dims) => new Tensor("float32", data, dims);
    return Object.assign(session, { outputTensor });
  };

/** Compiles a segment that runs on all cores. */
export const createSession: CreateSession<Uint8Array | string> = sessionsOn(availableParallelism());
