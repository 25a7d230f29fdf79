import { type CacheShape, modelLayers } from "@kvtuner/plan";
import type { DecoderConfig } from "../architecture/config.ts";
import { INPUTS, MEMORY } from "../architecture/recurrent/gated-delta-net.ts";
import { PIECE_ROWS } from "./recurrent-layers.ts";

/** Numbers that recurrent layers add to the memory of a backward pass; all 0 without them. */
export interface RecurrentMemory {
  /** Held for a text: between layers, and the states before pieces. */
  readonly held: number;
  /** Of a token, before and after a layer. */
  readonly crossing: number;
  /** Of a token, in the widest tensor of a layer. */
  readonly width: number;
  /** Rows of a text that pass a layer at once. */
  readonly rows: number;
  /** What tokens of a piece read of each other and of the state, of all heads and samples. */
  readonly weights: number;
}

/** Of layers after the first that attends: gradients go no further. */
export const recurrentMemory = (
  {
    config: { hiddenSize, recurrentLayers },
    shape,
  }: {
    readonly config: Pick<DecoderConfig, "hiddenSize" | "recurrentLayers">;
    readonly shape: CacheShape;
  },
  tokens: number,
  samples: number,
): RecurrentMemory => {
  const states = recurrentLayers?.states ?? {};
  const [channels = 0] = states[INPUTS] ?? [];
  const [heads = 0, keySize = 0, valueSize = 0] = states[MEMORY] ?? [];
  const [first = 0] = modelLayers(shape);
  const layers = shape.recurrent?.filter(({ place }) => place > first).length ?? 0;
  const rows = layers === 0 ? 0 : Math.min(tokens, PIECE_ROWS);
  const crossing = layers === 0 ? 0 : hiddenSize + (heads === 0 ? channels : heads * valueSize);
  const state = Object.values(states).reduce((sum, dims) => sum + dims.reduce((size, dim) => size * dim, 1), 0);
  return {
    held: layers * (tokens * crossing + Math.ceil(tokens / PIECE_ROWS) * state),
    crossing,
    width: channels,
    rows,
    weights: samples * heads * (2 * rows + keySize) * (rows + keySize),
  };
};
