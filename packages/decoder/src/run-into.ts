import type { InferenceSession, Tensor } from "onnxruntime-common";
import type { Session } from "./session.ts";

/** Tensors by the name of an input or output. */
export type Tensors = Readonly<Record<string, Tensor>>;

/**
 * Runs a session and writes some outputs into float32 tensors of the caller, on the CPU. A new output is memory outside
 * JavaScript's heap, which is freed late: in a long run, garbage of hundreds of megabytes.
 *
 * @returns the outputs, with the caller's tensors among them
 */
export const runInto = async (
  session: Session,
  feeds: InferenceSession.FeedsType,
  targets: Tensors = {},
): Promise<Tensors> => {
  const { outputTensor } = session;
  if (outputTensor === undefined) return copiedInto(targets, await session.run(feeds));
  const fetch = (name: string): Tensor | null => {
    const target = targets[name];
    return target ? outputTensor(target.data as Float32Array, target.dims) : null;
  };
  const fetches = Object.fromEntries(session.outputNames.map((name) => [name, fetch(name)]));
  return { ...(await session.run(feeds, fetches)), ...targets };
};

const copiedInto = (targets: Tensors, outputs: Tensors): Tensors => {
  for (const [name, { data }] of Object.entries(targets))
    (data as Float32Array).set(outputs[name]!.data as Float32Array);
  return { ...outputs, ...targets };
};
