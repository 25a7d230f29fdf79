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

/** Numbers of a state's arrays `[1, ...]`, by `LAYER.NAME`. */
export type StateImage = Readonly<Record<string, Float32Array>>;

/** Tensors by layer and name, after `length` tokens. They are replaced, never changed. */
interface Checkpoint {
  readonly length: number;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** Few, because a state may take tens of megabytes; two hold the last turns of a conversation. */
const MOST_CHECKPOINTS = 2;

/**
 * What the recurrent layers of a decoder keep of one sequence. Changes only with {@link RecurrentState.advance}, so a pass
 * that fails leaves it as it was.
 */
export class RecurrentState implements LayerStates {
  readonly #states: RecurrentConfig["states"];
  #tensors: ReadonlyMap<string, Tensor> = new Map();
  #next = new Map<string, Tensor>();
  /** States before the latest pieces of several tokens, the oldest first. */
  readonly #checkpoints: Checkpoint[] = [];
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
    return this.names.length === 0;
  }

  /** Names of the arrays of a layer's state. */
  get names(): readonly string[] {
    return Object.keys(this.#states);
  }

  past(layer: number): Tensors {
    return this.#each((name, dims) => [pastOf(name), this.#tensors.get(keyOf(layer, name)) ?? zeros(dims)]);
  }

  keep(layer: number, outputs: Tensors): void {
    for (const name of this.names) {
      const key = keyOf(layer, name);
      const failed = this.#next.get(key);
      if (failed) releaseDeviceTensors(failed);
      this.#next.set(key, outputs[presentOf(name)]!);
    }
  }

  /** Makes what was kept the state after `tokens` more tokens. Several tokens leave the state before them as a checkpoint. */
  advance(tokens: number): void {
    if (tokens > 1 && this.#length > 0) this.#checkpoints.push({ length: this.#length, tensors: this.#tensors });
    else release(this.#tensors);
    if (this.#checkpoints.length > MOST_CHECKPOINTS) release(this.#checkpoints.shift()!.tensors);
    this.#tensors = this.#next;
    this.#next = new Map();
    this.#length += tokens;
  }

  /** Goes back to `length` tokens, or to the last checkpoint before, or to none. Returns the tokens left. */
  truncate(length: number): number {
    if (this.isEmpty) return (this.#length = length);
    // Of a pass that failed.
    release(this.#next);
    this.#next.clear();
    while (this.#length > length) {
      release(this.#tensors);
      const { length: earlier, tensors } = this.#checkpoints.pop() ?? { length: 0, tensors: new Map<string, Tensor>() };
      this.#tensors = tensors;
      this.#length = earlier;
    }
    return this.#length;
  }

  /** Copies of its arrays; checkpoints are left out. */
  async image(): Promise<StateImage> {
    const copies = [...this.#tensors].map(async ([key, tensor]): Promise<[string, Float32Array]> => {
      return [key, Float32Array.from((await tensor.getData()) as Float32Array)];
    });
    return Object.fromEntries(await Promise.all(copies));
  }

  /**
   * Becomes the state with these arrays, which another of the same model had after `length` tokens.
   *
   * @throws RangeError for an array that this model's states lack, or of another size
   */
  restore(image: StateImage, length: number): void {
    const tensors = new Map(Object.entries(image).map(([key, data]) => [key, this.#tensorOf(key, data)]));
    this.truncate(0);
    this.#tensors = tensors;
    this.#length = length;
  }

  #tensorOf(key: string, data: Float32Array): Tensor {
    const dims = this.#states[key.slice(key.indexOf(".") + 1)];
    const expected = dims?.reduce((product, dim) => product * dim, 1);
    if (!dims || expected !== data.length)
      throw new RangeError(`expected ${expected ?? "no"} numbers in the recurrent state ${key}, got ${data.length}`);
    return new Tensor("float32", data, [1, ...dims]);
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

const release = (tensors: ReadonlyMap<string, Tensor>): void => releaseDeviceTensors(...tensors.values());

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
