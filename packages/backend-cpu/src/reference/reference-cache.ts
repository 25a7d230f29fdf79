import {
  assertAlive,
  assertAppend,
  assertCoarser,
  assertFiniteTensors,
  assertPlanSupported,
  assertTruncate,
  attendTokens,
  type CacheImage,
  type CachePlan,
  evenLength,
  type KvCache,
  writeSnapshot,
} from "@kvtuner/backend";
import { type CacheBytes, type CacheShape, layerBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { CacheOwner } from "../cache-owner.ts";
import { cacheBytes } from "./cache-bytes.ts";
import { attendLayer, emptyLayer, layoutOf, retunedLayer, type StoredLayer, truncateLayer } from "./stored-layer.ts";
import { imagesOf, tensorFromImages } from "./tensor-image.ts";

/** A packed cache in plain TypeScript: every number is where the words of the interface say it is. */
export class ReferenceCache implements KvCache {
  readonly shape: CacheShape;
  readonly #owner: CacheOwner;
  #plan: CachePlan;
  #layers: readonly StoredLayer[];
  #disposed = false;

  /** Without an image the cache is empty. The plan is trusted to be supported. */
  constructor(owner: CacheOwner, shape: CacheShape, plan: CachePlan, image?: CacheImage) {
    this.shape = shape;
    this.#owner = owner;
    this.#plan = plan;
    this.#layers = image ? layersFrom(image) : plan.layers.map((layer) => emptyLayer(layer, shape));
  }

  get length(): number {
    this.#assertAlive();
    return this.#lengths().at(-1)!;
  }

  bytes(): CacheBytes {
    this.#assertAlive();
    return cacheBytes(this.#layers);
  }

  async attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor> {
    this.#assertAlive();
    const tokens = attendTokens(this.shape, layer, query, key, value);
    const [queries, keys, values] = [query, key, value].map(({ data }) => data as Float32Array);
    const scheme = this.#plan.layers[layer]!;
    assertFiniteTensors({ layer, scheme, headSize: this.shape.headSize }, queries!, keys!, values!);
    this.#assertRoom(layer, tokens);
    const call = { tokens, query: queries!, key: keys!, value: values! };
    return new Tensor("float32", attendLayer(this.#layers[layer]!, this.shape, call), query.dims);
  }

  truncate(length: number): void {
    assertTruncate(this.length, length);
    for (const layer of this.#layers) truncateLayer(layer, length);
  }

  async retune(plan: CachePlan): Promise<void> {
    this.#assertAlive();
    assertPlanSupported(this.#owner.name, this.#owner.capabilities, this.shape, plan);
    assertCoarser(this.#plan, plan, evenLength(this.#lengths()));
    this.#layers = this.#layers.map((layer, index) => retunedLayer(layer, plan.layers[index]!, this.shape));
    this.#plan = plan;
  }

  async snapshot(): Promise<Uint8Array> {
    this.#assertAlive();
    const tensors = this.#layers.map(({ key, value }) => ({ key: imagesOf(key), value: imagesOf(value) }));
    return writeSnapshot({
      shape: this.shape,
      layers: this.#plan.layers,
      length: evenLength(this.#lengths()),
      tensors,
    });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    this.#layers = [];
  }

  #assertAlive(): void {
    assertAlive(this.#disposed, "cache");
    assertAlive(this.#owner.disposed, "backend");
  }

  #lengths(): number[] {
    return this.#layers.map(({ key }) => key.length);
  }

  #assertRoom(layer: number, tokens: number): void {
    const lengths = this.#lengths();
    const bytesAfter = this.#plan.layers
      .map((scheme, index) => layerBytes(scheme, this.shape, lengths[index]! + (index === layer ? tokens : 0)).total)
      .reduce((a, b) => a + b);
    assertAppend({ layer, tokens, lengths, bytesAfter }, this.#owner.capabilities);
  }
}

const layersFrom = ({ shape, layers, length, tensors }: CacheImage): StoredLayer[] =>
  layers.map((layer, index) => ({
    key: tensorFromImages(layoutOf(layer, "key", shape), length, tensors[index]!.key),
    value: tensorFromImages(layoutOf(layer, "value", shape), length, tensors[index]!.value),
  }));
