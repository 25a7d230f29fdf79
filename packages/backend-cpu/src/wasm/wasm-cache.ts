import {
  assertAlive,
  assertAppend,
  assertCoarser,
  assertFiniteTensors,
  assertPlanSupported,
  assertTruncate,
  attendTokens,
  type CachePlan,
  evenLength,
  type KvCache,
  writeSnapshot,
} from "@kvtuner/backend";
import { type CacheBytes, type CacheShape, layerBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { CacheOwner } from "../cache-owner.ts";
import { storeBytes } from "./store-bytes.ts";
import type { PackedStore } from "./packed-store.ts";
import { retunedStore } from "./retuned-store.ts";
import { imagesOf } from "./tensor-image.ts";

/** What a cache in WebAssembly asks of its backend. */
export interface Owner extends CacheOwner {
  readonly module: WebAssembly.Module;
}

/** A packed cache in WebAssembly memory. */
export class WasmCache implements KvCache {
  readonly shape: CacheShape;
  readonly #owner: Owner;
  #plan: CachePlan;
  #store: PackedStore;
  /** Bytes that all layers take, kept up to date so that a call need not count them. */
  #totalBytes: number;
  #disposed = false;

  /** The plan is trusted to be supported, and `store` to be made for it. */
  constructor(owner: Owner, shape: CacheShape, plan: CachePlan, store: PackedStore) {
    this.shape = shape;
    this.#owner = owner;
    this.#plan = plan;
    this.#store = store;
    this.#totalBytes = storeBytes(store).total;
  }

  get length(): number {
    this.#assertAlive();
    return this.#store.layers.at(-1)!.length;
  }

  bytes(): CacheBytes {
    this.#assertAlive();
    return storeBytes(this.#store);
  }

  async attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor> {
    this.#assertAlive();
    const tokens = attendTokens(this.shape, layer, query, key, value);
    const call = {
      tokens,
      query: query.data as Float32Array,
      key: key.data as Float32Array,
      value: value.data as Float32Array,
    };
    const scheme = this.#plan.layers[layer]!;
    assertFiniteTensors({ layer, scheme, headSize: this.shape.headSize }, call.query, call.key, call.value);
    const bytesAfter = this.#bytesAfter(layer, tokens);
    assertAppend({ layer, tokens, lengths: this.#lengths(), bytesAfter }, this.#owner.capabilities);
    const packed = this.#store.layers[layer]!;
    packed.ensure(tokens);
    const output = packed.attend(call, this.#store.workspaces[layer]!);
    this.#totalBytes = bytesAfter;
    return new Tensor("float32", output, query.dims);
  }

  truncate(length: number): void {
    assertTruncate(this.length, length);
    for (const [index, layer] of this.#store.layers.entries()) layer.truncate(length, this.#store.workspaces[index]!);
    this.#totalBytes = storeBytes(this.#store).total;
  }

  async retune(plan: CachePlan): Promise<void> {
    this.#assertAlive();
    const { name, capabilities, module } = this.#owner;
    assertPlanSupported(name, capabilities, this.shape, plan);
    assertCoarser(this.#plan, plan, evenLength(this.#lengths()));
    const store = await retunedStore(module, this.#store, this.shape, plan);
    this.#assertAlive();
    this.#store = store;
    this.#plan = plan;
    this.#totalBytes = storeBytes(this.#store).total;
  }

  async snapshot(): Promise<Uint8Array> {
    this.#assertAlive();
    const { layers, workspaces } = this.#store;
    const length = evenLength(this.#lengths());
    const tensors = layers.map((layer, index) => ({
      key: imagesOf(layer, layer.key, this.shape, workspaces[index]!),
      value: imagesOf(layer, layer.value, this.shape, workspaces[index]!),
    }));
    return writeSnapshot({ shape: this.shape, layers: this.#plan.layers, length, tensors });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#store = { layers: [], workspaces: [] };
  }

  #assertAlive(): void {
    assertAlive(this.#disposed, "cache");
    assertAlive(this.#owner.disposed, "backend");
  }

  #lengths(): number[] {
    return this.#store.layers.map(({ length }) => length);
  }

  #bytesAfter(layer: number, tokens: number): number {
    const { length } = this.#store.layers[layer]!;
    const scheme = this.#plan.layers[layer]!;
    const bytesAt = (count: number): number => layerBytes(scheme, this.shape, count).total;
    return this.#totalBytes + bytesAt(length + tokens) - bytesAt(length);
  }
}
