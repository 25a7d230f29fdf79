import { type CacheShape, modelLayers } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { Decoder } from "../decoder.ts";
import type { RecurrentState } from "../recurrent-state.ts";
import type { Tensors } from "../run-into.ts";
import { MIXED, pastOf } from "../segments/mixers/mixer-ports.ts";

/** Rows of a text that go through a recurrent layer at once, from state to state. */
export const PIECE_ROWS = 128;

/** Rows of a text, `from` up to `to`. */
export interface Piece {
  readonly from: number;
  readonly to: number;
}

/** The pieces of a text that go through a recurrent layer one after another. */
export const piecesOf = (tokens: number): Piece[] =>
  Array.from({ length: Math.ceil(tokens / PIECE_ROWS) }, (_, index) => ({
    from: index * PIECE_ROWS,
    to: Math.min(tokens, (index + 1) * PIECE_ROWS),
  }));

/** The layer of the hole after one; after the last hole, the number of all layers. */
export const layerAfter = (shape: CacheShape, hole: number): number => {
  const layers = modelLayers(shape);
  return layers[hole + 1] ?? layers.length + (shape.recurrent?.length ?? 0);
};

/** What a segment reads of the layer before: residuals, and the output of its attention or mixer; `[tokens, ...]`. */
export interface Crossing {
  readonly hidden: Float32Array;
  readonly attention: Float32Array;
}

/** A recurrent layer over a text. */
export interface RecurrentPass extends Crossing {
  /** The arrays of its state before each piece, `[pieces, ...]`, in the order of `RecurrentState.names`. */
  readonly states: readonly Float32Array[];
}

/** Runs a text through the segment before a recurrent layer and its mixer, from the state at the start of a text. */
export const runRecurrent = async (
  { segments, createState }: Decoder,
  layer: number,
  { hidden, attention }: Crossing,
  tokens: number,
): Promise<RecurrentPass> => {
  const state = createState();
  const [residuals, outputs] = [joining(), joining()];
  const pasts = state.names.map(joining);
  for (const { from, to } of piecesOf(tokens)) {
    const past = state.past(layer);
    for (const [index, name] of state.names.entries()) pasts[index]!.add(past[pastOf(name)]!);
    const crossing = { hidden: rowsOf(hidden, tokens, from, to), attention: rowsOf(attention, tokens, from, to) };
    const found = await segments.run(layer, { ...crossing, ...past });
    advance(state, layer, found, to - from);
    residuals.add(found["residual"]!);
    outputs.add(found[MIXED]!);
  }
  return { hidden: residuals.all(), attention: outputs.all(), states: pasts.map((past) => past.all()) };
};

const advance = (state: RecurrentState, layer: number, outputs: Tensors, rows: number): void => {
  state.keep(layer, outputs);
  state.advance(rows);
};

/** Rows of an array `[tokens, ...]`, as a view. */
export const rowsOf = (array: Float32Array, tokens: number, from: number, to: number): Tensor => {
  const width = array.length / tokens;
  return new Tensor("float32", array.subarray(from * width, to * width), [to - from, width]);
};

/** Collects the numbers of tensors. */
const joining = (): { add(tensor: Tensor): void; all(): Float32Array } => {
  const parts: Float32Array[] = [];
  return {
    add: ({ data }) => void parts.push(data as Float32Array),
    all: () => {
      const joined = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
      let start = 0;
      for (const part of parts) {
        joined.set(part, start);
        start += part.length;
      }
      return joined;
    },
  };
};
