import { Tensor } from "onnxruntime-common";
import type { RecurrentState } from "../recurrent-state.ts";
import type { Tensors } from "../run-into.ts";
import { pastOf, presentOf } from "../segments/mixers/mixer-ports.ts";
import type { Session } from "../session.ts";
import { cotangentName, gradientName } from "./differentiate.ts";
import { piecesOf } from "./recurrent-layers.ts";
import { putRows, type SampleRows, zeroRows } from "./sample-rows.ts";
import { feedsOf, type SegmentCall } from "./segment-vjp.ts";

/** Rows of a segment before a recurrent layer. */
export interface RecurrentCall extends SegmentCall {
  /** The layer's state at the start of a text. */
  readonly start: RecurrentState;
  readonly layer: number;
  /** As in `RecurrentPass`. */
  readonly states: readonly Float32Array[];
}

/** As `runSegmentVjp`, for such a segment: piece by piece, from the last, with the cotangent of the state between two pieces. */
export const runRecurrentVjp = async (
  session: Session,
  { start, layer, states, ...call }: RecurrentCall,
  inputs: readonly string[],
): Promise<Record<string, SampleRows>> => {
  const [{ samples, rows }] = Object.values(call.cotangents) as [SampleRows];
  const first = start.past(layer);
  let cotangents = finalCotangents(start.names, first, samples);
  const gradients: Record<string, SampleRows> = {};
  for (const [piece, { from, to }] of [...piecesOf(rows).entries()].toReversed()) {
    const past = pastAt(start.names, first, states, piece);
    const read = Object.entries(past).filter(([name]) => session.inputNames.includes(name));
    const feeds = { ...feedsOf(session, call, from, to), ...cotangents, ...Object.fromEntries(read) };
    const outputs = await session.run(feeds);
    for (const name of inputs) {
      const { data, dims } = outputs[gradientName(name)]!;
      gradients[name] ??= zeroRows(samples, rows, dims.at(-1)!);
      putRows(gradients[name], from, data as Float32Array);
    }
    cotangents = Object.fromEntries(
      start.names.map((name) => [cotangentName(presentOf(name)), outputs[gradientName(pastOf(name))]!]),
    );
  }
  return gradients;
};

/** Zeros: nothing reads the state after the last token. */
const finalCotangents = (names: readonly string[], first: Tensors, samples: number): Tensors =>
  Object.fromEntries(
    names.map((name) => {
      const { size, dims } = first[pastOf(name)]!;
      return [
        cotangentName(presentOf(name)),
        new Tensor("float32", new Float32Array(samples * size), [samples, ...dims]),
      ];
    }),
  );

/** The state before a piece. */
const pastAt = (names: readonly string[], first: Tensors, states: readonly Float32Array[], piece: number): Tensors =>
  Object.fromEntries(
    names.map((name, index) => {
      const { size, dims } = first[pastOf(name)]!;
      return [pastOf(name), new Tensor("float32", states[index]!.subarray(piece * size, (piece + 1) * size), dims)];
    }),
  );
