import { Tensor } from "onnxruntime-common";
import type { RecurrentConfig } from "./architecture/config.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import type { Tensors } from "./run-into.ts";
import { pastOf, presentOf } from "./segments/mixers/mixer-ports.ts";

/** States of recurrent layers, which segments read and replace. */
export interface LayerStates {
  /** Inputs of the segment with a layer's mixer. */
  past(layer: number): Tensors;
  /** Takes over the outputs of that segment. */
  keep(layer: number, outputs: Tensors): void;
}

/**
 * What the recurrent layers of a decoder keep of one sequence. Changes only with {@link RecurrentState.advance}, so a pass
 * that fails leaves it as it was.
 */
export class RecurrentState implements LayerStates {
  readonly #states: RecurrentConfig["states"];
  #tensors = new Map<string, Tensor>();
  readonly #next = new Map<string, Tensor>();
  #length: number;

  /**
   * @param config absent for a decoder without such layers, whose states are empty
   * @param length tokens that it counts as seen
   */
  constructor(config: Pick<RecurrentConfig, "states"> | undefined, length = 0) {
    this.#states = config?.states ?? {};
    this.#length = length;
  }

  /** Tokens that it has seen. */
  get length(): number {
    return this.#length;
  }

  /** Whether it holds anything. */
  get isEmpty(): boolean {
    return Object.keys(this.#states).length === 0;
  }

  past(layer: number): Tensors {
    return this.#each((name, dims) => [pastOf(name), this.#tensors.get(keyOf(layer, name)) ?? zeros(dims)]);
  }

  keep(layer: number, outputs: Tensors): void {
    for (const name of Object.keys(this.#states)) replace(this.#next, keyOf(layer, name), outputs[presentOf(name)]!);
  }

  /** Makes what was kept the state after `tokens` more tokens. */
  advance(tokens: number): void {
    for (const [key, tensor] of this.#next) replace(this.#tensors, key, tensor);
    this.#next.clear();
    this.#length += tokens;
  }

  /** Goes back to `length` tokens, or to none if it has seen more. Returns the tokens left. */
  truncate(length: number): number {
    if (this.isEmpty) return (this.#length = length);
    if (length >= this.#length) return this.#length;
    releaseDeviceTensors(...this.#tensors.values());
    this.#tensors.clear();
    return (this.#length = 0);
  }

  #each(entryOf: (name: string, dims: readonly number[]) => [string, Tensor]): Tensors {
    return Object.fromEntries(Object.entries(this.#states).map(([name, dims]) => entryOf(name, dims)));
  }
}

/** The states of several sequences, on the CPU, as those of a batch. */
export const batchStates = (states: readonly RecurrentState[]): LayerStates => {
  if (states.length === 1) return states[0]!;
  return {
    past: (layer) => {
      const each = states.map((state) => state.past(layer));
      return Object.fromEntries(Object.keys(each[0]!).map((name) => [name, joined(each.map((past) => past[name]!))]));
    },
    keep: (layer, outputs) => {
      for (const [entry, state] of states.entries())
        state.keep(
          layer,
          Object.fromEntries(Object.entries(outputs).map(([name, tensor]) => [name, entryOf(tensor, entry)])),
        );
    },
  };
};

const keyOf = (layer: number, name: string): string => `${layer}.${name}`;

const replace = (tensors: Map<string, Tensor>, key: string, tensor: Tensor): void => {
  const old = tensors.get(key);
  if (old) releaseDeviceTensors(old);
  tensors.set(key, tensor);
};

const zeros = (dims: readonly number[]): Tensor =>
  new Tensor("float32", new Float32Array(dims.reduce((product, dim) => product * dim, 1)), [1, ...dims]);

const joined = (tensors: readonly Tensor[]): Tensor => {
  const [{ size, dims }] = tensors as [Tensor];
  const data = new Float32Array(tensors.length * size);
  for (const [entry, tensor] of tensors.entries()) data.set(tensor.data as Float32Array, entry * size);
  return new Tensor("float32", data, [tensors.length, ...dims.slice(1)]);
};

const entryOf = (tensor: Tensor, entry: number): Tensor => {
  const size = tensor.size / tensor.dims[0]!;
  const data = (tensor.data as Float32Array).slice(entry * size, (entry + 1) * size);
  return new Tensor("float32", data, [1, ...tensor.dims.slice(1)]);
};
