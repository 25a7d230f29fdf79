import type { RecurrentConfig } from "../config.ts";
import type { LayerReader } from "../layer-reader.ts";
import type { ModelKeys } from "../model-keys.ts";
import type { Linear } from "../weights.ts";
import type { MixerWeights } from "./mixer-weights.ts";

/** How the keys and tensors of a kind of recurrent layer are read. `segments/mixers` has what it computes. */
export interface RecurrentKind {
  readonly name: MixerWeights["kind"];
  /** Part of the name of a tensor, as in `LayerReader`, that only such layers have. */
  readonly tensor: string;
  /** Arrays of a layer's state, as in `RecurrentConfig`. */
  readonly states: (keys: ModelKeys, hiddenSize: number) => RecurrentConfig["states"];
  /** Reads a layer's tensors, without its output matrix. */
  readonly mixer: (layer: LayerReader) => Promise<MixerWeights>;
  /** Reads the output matrix, which takes what the mixer gives. */
  readonly output: (layer: LayerReader) => Promise<Linear>;
}
