import type { Attention } from "@kvtuner/backend";
import { holesOf } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import { ModelError } from "./architecture/model-error.ts";
import type { Decoder } from "./decoder.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { fillHole } from "./fill-hole.ts";
import type { HoleBuffers } from "./hole-buffers.ts";
import type { HoleInputs } from "./hole-inputs.ts";
import { batchStates, type LayerStates, type RecurrentState } from "./recurrent-state.ts";
import { releasePositions, type RowPositions } from "./row-positions.ts";

/**
 * Runs tokens through all segments and holes. Returns the last residuals `[batch * tokens, hiddenSize]`; the caller
 * disposes of those on a device.
 *
 * @param ids `[batch * tokens]`, one sequence after another
 * @param positions of each of `ids` in its sequence
 * @param attention receives `[batch, tokens, width]` tensors
 * @param batch sequences, with equally many tokens each; 1 by default
 * @param states of the recurrent layers, one per sequence, which advance; by default those at the start of sequences
 * @param buffers memory to use again for tensors on the CPU, of more than one row; new memory by default
 * @throws ModelError `MODEL_STATE` for states that have seen other tokens than those before `positions`
 */
export const forward = async (
  decoder: Decoder,
  ids: ArrayLike<number>,
  positions: ArrayLike<number>,
  attention: Attention,
  batch = 1,
  states: readonly RecurrentState[] = Array.from({ length: batch }, () => decoder.createState()),
  buffers?: HoleBuffers,
): Promise<Tensor> => {
  const tokens = ids.length / batch;
  assertInStep(states, positions, tokens);
  const together = batchStates(states);
  const rows = decoder.positions(positions);
  const first = await decoder.first(ids, rows, together);
  const kept = first.positions ?? rows;
  try {
    const residual = await fillHoles(decoder, first, kept, { attention, batch, states: together, buffers });
    for (const state of states) state.advance(tokens);
    return residual;
  } finally {
    releasePositions(kept);
  }
};

/** What fills the holes, and the layers between them. */
interface Filling {
  readonly attention: Attention;
  readonly batch: number;
  readonly states: LayerStates;
  readonly buffers: HoleBuffers | undefined;
}

/** A state of other tokens would give wrong logits without an error. */
const assertInStep = (states: readonly RecurrentState[], positions: ArrayLike<number>, tokens: number): void => {
  for (const [sequence, state] of states.entries()) {
    const first = positions[sequence * tokens];
    if (state.isEmpty || state.length === first) continue;
    throw new ModelError(
      "MODEL_STATE",
      `expected a state of the recurrent layers after the ${first} tokens before, got one after ${state.length}; feed the sequence from its start, with one state from createState`,
    );
  }
};

const fillHoles = async (
  decoder: Decoder,
  first: HoleInputs,
  positions: RowPositions,
  { attention, batch, states, buffers }: Filling,
): Promise<Tensor> => {
  const holes = holesOf(decoder.shape);
  const rows = first.query.dims[0]!;
  // For one row, new tensors are faster.
  const reused = rows > 1 && first.query.location === "cpu" ? buffers : undefined;
  let hole = first;
  for (let index = 0; ; index++) {
    const crossing = [hole.residual];
    reused?.note(index, hole);
    try {
      const output = await fillHole(attention, holes[index]!, hole, batch);
      crossing.push(output);
      if (index === holes.length - 1) return await decoder.last(hole.residual, output, positions, undefined, states);
      const into = reused?.arrays(index + 1, rows);
      hole = await decoder.next(index, hole.residual, output, positions, into, states);
    } finally {
      releaseDeviceTensors(...crossing);
    }
  }
};
