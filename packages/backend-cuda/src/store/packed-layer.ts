import type { CallRows, SharedRows } from "@kvtuner/backend";
import type { Asset, LayerScheme } from "@kvtuner/plan";
import { attend, type AttendingLayer } from "./attend.ts";
import { appendRows, decodeRows, encodeBlocks } from "./encode.ts";
import { PackedTensor } from "./packed-tensor.ts";
import { layoutOf } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Tokens that are decoded and encoded at a time, to limit the memory in 16 bits. */
const RETUNE_TOKENS = 1024;

/** One layer's cache on a device. */
export class PackedLayer {
  readonly key: PackedTensor;
  readonly value: PackedTensor;
  readonly #workspace: Workspace;
  readonly #own: AttendingLayer;
  readonly #isShared: boolean;
  length = 0;
  /** Tokens whose queries all layers have answered. */
  #readLength = 0;

  /** @param isShared whether other layers read the cache too, with {@link read} */
  constructor(
    workspace: Workspace,
    scheme: LayerScheme,
    own: AttendingLayer,
    isShared: boolean,
    assets?: readonly Asset[],
  ) {
    this.#workspace = workspace;
    this.#own = own;
    this.#isShared = isShared;
    this.key = new PackedTensor(workspace, layoutOf(scheme, "key", own.shape, assets));
    this.value = new PackedTensor(workspace, layoutOf(scheme, "value", own.shape, assets));
  }

  /** Appends and attends. Needs {@link settleAgain} after a failure. */
  attend({ tokens, query, key, value }: CallRows): Float32Array {
    const { staging } = this.#workspace;
    this.#append({ tokens, key: staging.bring("key", key), value: staging.bring("value", value) });
    const output = this.#outputOf(this.#own, { tokens, query }, this.length);
    const length = this.length + tokens;
    this.settle(length, this.#isShared ? this.length : length);
    return output;
  }

  /** Attends for the newest tokens as another layer. */
  read(layer: AttendingLayer, { tokens, query, isLast }: SharedRows): Float32Array {
    const output = this.#outputOf(layer, { tokens, query }, this.length - tokens);
    if (isLast) this.settle(this.length);
    return output;
  }

  #outputOf(
    layer: AttendingLayer,
    { tokens, query }: Pick<CallRows, "tokens" | "query">,
    before: number,
  ): Float32Array {
    const { device, staging } = this.#workspace;
    const { headSize, valueSize = headSize } = layer.shape;
    const output = new Float32Array((query.length / headSize) * valueSize);
    const outputAddress = staging.reserve("output", output.byteLength);
    const queries = { query: staging.bring("query", query), output: outputAddress, tokens, before };
    attend(this.#workspace, { ...layer, key: this.key, value: this.value }, queries);
    device.download(outputAddress, output);
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

  /** Holds `length` tokens from now on, what queries after the first `readLength` read of them, and no memory besides. */
  settle(length: number, readLength: number = length): void {
    this.key.settle(length, readLength);
    this.value.settle(length, readLength);
    this.length = length;
    this.#readLength = readLength;
  }

  /** Releases what a failed call allocated. */
  settleAgain(): void {
    this.settle(this.length, this.#readLength);
  }

  clear(): void {
    this.key.clear();
    this.value.clear();
    this.#own.sinkLogits.clear();
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
