import type { InferenceSession, Tensor } from "onnxruntime-common";

/** Options of a session. */
export interface SessionOptions {
  /** Where outputs stay: on the CPU, or in buffers of the device that it runs on. */
  readonly outputLocation: "cpu" | "gpu-buffer";
  /**
   * True for weights that stay in their file, mapped into memory: in onnxruntime-node, `session.disable_prepacking`. False
   * by default: the runtime copies them into the layout that multiplies fastest.
   */
  readonly keepsMapped?: boolean;
  /**
   * Folder of the files that a model given by its bytes refers to: in onnxruntime-node,
   * `session.model_external_initializers_file_folder_path`.
   */
  readonly weightsFolder?: string;
}

/** A compiled model. */
export interface Session extends InferenceSession {
  /**
   * Makes a tensor over an array that `run` fills when the tensor is among the fetches. In onnxruntime-node, a tensor of its own
   * class: it ignores those of onnxruntime-common. onnxruntime-web fills none. Without this, outputs are copied.
   */
  readonly outputTensor?: (data: Float32Array, dims: readonly number[]) => Tensor;
}

/**
 * Compiles an ONNX model, given by its bytes or, with `Model` string, by its path. The caller chooses the runtime:
 * onnxruntime-node, onnxruntime-web, or another. Outputs stay on the CPU unless `options` say otherwise, which happens only
 * with `deviceTensors`.
 */
export type CreateSession<Model extends Uint8Array | string = Uint8Array> = (
  model: Model,
  options?: SessionOptions,
) => Promise<Session>;

/** What must be given back. */
export interface Releasable {
  release(): Promise<void>;
}

/**
 * Runs `work` with sessions that are released if it fails, and with a list to which it can add what else must be.
 */
export const releasedOnFailure = async <Result>(
  createSession: CreateSession,
  work: (createSession: CreateSession, opened: Releasable[]) => Promise<Result>,
): Promise<Result> => {
  const opened: Releasable[] = [];
  const noted: CreateSession = async (model, options) => {
    const session = await createSession(model, options);
    opened.push(session);
    return session;
  };
  try {
    return await work(noted, opened);
  } catch (error) {
    await Promise.allSettled(opened.map(async (one) => one.release()));
    throw error;
  }
};
