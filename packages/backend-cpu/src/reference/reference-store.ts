import type { CacheImage, CachePlan, CacheStore, CallRows, SharedRows } from "@kvtuner/backend";
import {
  attentionOf,
  type CacheBytes,
  cacheBytes,
  type CacheShape,
  layerShape,
  sharingShape,
  sumBytes,
} from "@kvtuner/plan";
import { retunedTensor } from "./retuned-tensor.ts";
import {
  attendLayer,
  layerOf,
  readLayer,
  releaseLayer,
  type StoredLayer,
  truncatedRows,
  truncateLayer,
} from "./stored-layer.ts";
import { emptyTensor } from "./stored-tensor.ts";
import { tensorBytes } from "./tensor-bytes.ts";
import { imagesOf, tensorFromImages } from "./tensor-image.ts";

/** Plain arrays, laid out exactly as the interface describes. */
export class ReferenceStore implements CacheStore {
  readonly #shape: CacheShape;
  #layers: readonly StoredLayer[];

  /** Without an image the store is empty. */
  constructor(plan: CachePlan, image?: CacheImage) {
    this.#shape = plan.shape;
    this.#layers = plan.layers.map((_, index) =>
      layerOf(plan, index, (layout, tensor) =>
        image ? tensorFromImages(layout, image.length, image.tensors[index]![tensor]) : emptyTensor(layout),
      ),
    );
  }

  lengths(): number[] {
    return this.#layers.map(({ key }) => key.length);
  }

  attend(layer: number, call: CallRows): Float32Array {
    const stored = this.#layers[layer]!;
    const output = attendLayer(stored, layerShape(this.#shape, layer), attentionOf(this.#shape, layer), call);
    if (!this.#shape.sharing?.some(({ cacheOf }) => cacheOf === layer)) releaseLayer(stored);
    return output;
  }

  read(sharing: number, rows: SharedRows): Float32Array {
    const stored = this.#layers[this.#shape.sharing![sharing]!.cacheOf]!;
    const own = sharingShape(this.#shape, sharing);
    const output = readLayer(stored, own, own.attention, rows);
    if (rows.isLast) releaseLayer(stored);
    return output;
  }

  /** Does everything that can fail before it changes the first layer. */
  truncate(length: number): void {
    const rows = this.#layers.map((layer) => truncatedRows(layer, length));
    for (const [index, layer] of this.#layers.entries()) truncateLayer(layer, length, rows[index]!);
  }

  /** Holds both caches until the last layer is encoded. */
  retune(plan: CachePlan): void {
    this.#layers = this.#layers.map((layer, index) =>
      layerOf(plan, index, (layout, tensor) => retunedTensor(layer[tensor], layout)),
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
