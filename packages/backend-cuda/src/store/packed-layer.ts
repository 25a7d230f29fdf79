import type { CallRows } from "@kvtuner/backend";
import type { AttentionSpec, LayerScheme, LayerShape } from "@kvtuner/plan";
import { attend } from "./attend.ts";
import { appendRows, decodeRows, encodeBlocks } from "./encode.ts";
import { PackedTensor } from "./packed-tensor.ts";
import { SinkLogits } from "./sink-logits.ts";
import { layoutOf } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Tokens that are decoded and encoded at a time, to limit the memory in 16 bits. */
const RETUNE_TOKENS = 1024;

/** One layer's cache on a device. */
export class PackedLayer {
  readonly key: PackedTensor;
  readonly value: PackedTensor;
  readonly #workspace: Workspace;
  readonly #shape: LayerShape;
  readonly #spec: AttentionSpec;
  readonly #sinkLogits: SinkLogits;
  length = 0;

  constructor(workspace: Workspace, shape: LayerShape, scheme: LayerScheme, spec: AttentionSpec) {
    this.#workspace = workspace;
    this.#shape = shape;
    this.#spec = spec;
    this.#sinkLogits = new SinkLogits(workspace.device, spec.sinkLogits);
    this.key = new PackedTensor(workspace, layoutOf(scheme, "key", shape));
    this.value = new PackedTensor(workspace, layoutOf(scheme, "value", shape));
  }

  /** Appends and attends. Allocates first, so that running out of memory leaves the layer unchanged. */
  attend({ tokens, query, key, value }: CallRows): Float32Array {
    const { device, staging } = this.#workspace;
    const output = new Float32Array(query.length);
    const outputAddress = staging.reserve("output", output.byteLength);
    const queryAddress = staging.bring("query", query);
    this.#append({ tokens, key: staging.bring("key", key), value: staging.bring("value", value) });
    const queries = { query: queryAddress, output: outputAddress, tokens, before: this.length };
    const { key: keys, value: values } = this;
    const layer = { key: keys, value: values, shape: this.#shape, spec: this.#spec, sinkLogits: this.#sinkLogits };
    attend(this.#workspace, layer, queries);
    device.download(outputAddress, output);
    this.settle(this.length + tokens);
    return output;
  }

  /** Allocates what {@link truncate} decodes to 16 bits. @throws OutOfMemoryError */
  reserveTruncation(length: number): void {
    for (const tensor of [this.key, this.value]) tensor.exact.reserve(...tensor.reopened(this.length, length));
  }

  /** Drops the tokens from `length` on. Needs {@link reserveTruncation} for tokens that return to 16 bits. */
  truncate(length: number): void {
    for (const tensor of [this.key, this.value]) {
      const [begin, end] = tensor.reopened(this.length, length);
      decodeRows(this.#workspace, tensor, tensor, { length: this.length, begin, end });
    }
    this.settle(length);
  }

  /** Appends all tokens of another layer, decoded. This layer must be empty. */
  appendDecoded(source: PackedLayer): void {
    for (let begin = 0; begin < source.length; begin += RETUNE_TOKENS) {
      const end = Math.min(source.length, begin + RETUNE_TOKENS);
      for (const tensor of ["key", "value"] as const) {
        this[tensor].reserve(begin, end);
        decodeRows(this.#workspace, source[tensor], this[tensor], { length: source.length, begin, end });
        encodeBlocks(this.#workspace, this[tensor], begin, end);
      }
      this.settle(end);
    }
  }

  /** Holds `length` tokens from now on, and no memory besides. */
  settle(length: number): void {
    this.key.settle(length);
    this.value.settle(length);
    this.length = length;
  }

  clear(): void {
    this.key.clear();
    this.value.clear();
    this.#sinkLogits.clear();
  }

  #append(rows: { readonly tokens: number; readonly key: number; readonly value: number }): void {
    const end = this.length + rows.tokens;
    for (const tensor of ["key", "value"] as const) this[tensor].reserve(this.length, end);
    for (const tensor of ["key", "value"] as const) {
      appendRows(this.#workspace, this[tensor], rows[tensor], rows.tokens, this.length);
      encodeBlocks(this.#workspace, this[tensor], this.length, end);
    }
  }
}
