import type { CacheImage, CachePlan, CacheStore, CallRows } from "@kvtuner/backend";
import { attentionOf, type CacheBytes, cacheBytes, type CacheShape, layerShape, sumBytes } from "@kvtuner/plan";
import {
  attendLayer,
  emptyLayer,
  layoutOf,
  retunedLayer,
  type StoredLayer,
  truncateLayer,
  truncatedRows,
} from "./stored-layer.ts";
import { tensorBytes } from "./tensor-bytes.ts";
import { imagesOf, tensorFromImages } from "./tensor-image.ts";

/** Plain arrays: every number is where the words of the interface say it is. */
export class ReferenceStore implements CacheStore {
  readonly #shape: CacheShape;
  #layers: readonly StoredLayer[];

  /** Without an image the store is empty. */
  constructor({ shape, layers }: CachePlan, image?: CacheImage) {
    this.#shape = shape;
    this.#layers = image
      ? layersFrom(image)
      : layers.map((layer, index) => emptyLayer(layer, layerShape(shape, index)));
  }

  lengths(): number[] {
    return this.#layers.map(({ key }) => key.length);
  }

  attend(layer: number, call: CallRows): Float32Array {
    return attendLayer(this.#layers[layer]!, layerShape(this.#shape, layer), attentionOf(this.#shape, layer), call);
  }

  /** What can fail comes before what changes the first layer. */
  truncate(length: number): void {
    const rows = this.#layers.map((layer) => truncatedRows(layer, length));
    for (const [index, layer] of this.#layers.entries()) truncateLayer(layer, length, rows[index]!);
  }

  /** Holds both caches until the last layer is encoded. */
  retune({ layers }: CachePlan): void {
    this.#layers = this.#layers.map((layer, index) =>
      retunedLayer(layer, layers[index]!, layerShape(this.#shape, index)),
    );
  }

  bytes(): CacheBytes {
    return sumBytes(this.#layers.map(({ key, value }) => cacheBytes(tensorBytes(key), tensorBytes(value))));
  }

  images(): CacheImage["tensors"] {
    return this.#layers.map(({ key, value }) => ({ key: imagesOf(key), value: imagesOf(value) }));
  }

  clear(): void {
    this.#layers = [];
  }
}

const layersFrom = ({ shape, layers, length, tensors }: CacheImage): StoredLayer[] =>
  layers.map((layer, index) => {
    const own = layerShape(shape, index);
    return {
      key: tensorFromImages(layoutOf(layer, "key", own), length, tensors[index]!.key),
      value: tensorFromImages(layoutOf(layer, "value", own), length, tensors[index]!.value),
    };
  });
