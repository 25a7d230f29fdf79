import { type InferenceSession, Tensor } from "onnxruntime-common";
import type { Session } from "../session.ts";
import { tensorOf } from "./attention-vjp.ts";
import { cotangentName, gradientName } from "./differentiate.ts";
import { putRows, type SampleRows, zeroRows } from "./sample-rows.ts";

/** Rows, of all samples together, that go through a segment at once. */
export const MOST_ROWS = 512;

/** Rows of a segment with the cotangents of its outputs. */
export interface SegmentCall {
  /** Tensors `[rows, ...]` of the forward pass by the names of the segment; more than it reads are allowed. */
  readonly feeds: InferenceSession.FeedsType;
  /** Of each output, by its name. */
  readonly cotangents: Readonly<Record<string, SampleRows>>;
}

/** Gradients of the inputs of a segment, by their names. Rows are independent, so they are computed some at a time. */
export const runSegmentVjp = async (
  session: Session,
  call: SegmentCall,
  inputs: readonly string[],
): Promise<Record<string, SampleRows>> => {
  const [{ samples, rows }] = Object.values(call.cotangents) as [SampleRows];
  const step = Math.max(1, Math.floor(MOST_ROWS / samples));
  const gradients: Record<string, SampleRows> = {};
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    const outputs = await session.run(feedsOf(session, call, from, to));
    for (const name of inputs) {
      const { data, dims } = outputs[gradientName(name)]!;
      gradients[name] ??= zeroRows(samples, rows, dims.at(-1)!);
      putRows(gradients[name], from, data as Float32Array);
    }
  }
  return gradients;
};

/** What a session reads of some rows. */
export const feedsOf = (
  { inputNames }: Session,
  { feeds, cotangents }: SegmentCall,
  from: number,
  to: number,
): InferenceSession.FeedsType => ({
  ...Object.fromEntries(
    Object.entries(feeds).flatMap(([name, tensor]) =>
      inputNames.includes(name) ? [[name, slicedRows(tensor, from, to)]] : [],
    ),
  ),
  ...Object.fromEntries(
    Object.entries(cotangents).map(([name, rows]) => [cotangentName(name), tensorOf(rows, from, to)]),
  ),
});

const slicedRows = ({ type, data, dims }: Tensor, from: number, to: number): Tensor => {
  const width = data.length / dims[0]!;
  const numbers = (data as Float32Array).subarray(from * width, to * width);
  return new Tensor(type, numbers, [to - from, ...dims.slice(1)]);
};
