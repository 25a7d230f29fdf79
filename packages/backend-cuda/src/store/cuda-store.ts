import type { CacheImage, CachePlan, CacheStore, CallRows, SharedRows } from "@kvtuner/backend";
import { attentionOf, type CacheBytes, cacheBytes, layerShape, sharingShape, sumBytes } from "@kvtuner/plan";
import { type AttendingLayer, attendingLayer } from "./attend.ts";
import { PackedLayer } from "./packed-layer.ts";
import { exportTensor, importTensor } from "./tensor-image.ts";
import type { Workspace } from "./workspace.ts";

/** Packed layers on a device. All methods are synchronous, so calls run one at a time, even over several caches. */
export class CudaStore implements CacheStore {
  readonly #workspace: Workspace;
  #layers: readonly PackedLayer[];
  /** Layers that share the cache of another. */
  readonly #sharing: readonly (AttendingLayer & { readonly cacheOf: number })[];

  /** Creates an empty store. */
  constructor(workspace: Workspace, plan: CachePlan) {
    workspace.assertPlan(plan);
    this.#workspace = workspace;
    this.#layers = emptyLayers(workspace, plan);
    this.#sharing = (plan.shape.sharing ?? []).map(({ cacheOf }, index) => {
      const { attention, ...shape } = sharingShape(plan.shape, index);
      return { ...attendingLayer(workspace, shape, attention), cacheOf };
    });
  }

  /**
   * Restores a store from a snapshot.
   *
   * @throws OutOfMemoryError
   */
  static restore(workspace: Workspace, plan: CachePlan, { length, tensors }: CacheImage): CudaStore {
    const store = new CudaStore(workspace, plan);
    try {
      for (const [index, layer] of store.#layers.entries()) {
        layer.settle(length);
        for (const tensor of ["key", "value"] as const)
          importTensor(workspace, layer[tensor], length, tensors[index]![tensor]);
      }
      return store;
    } catch (error) {
      store.clear();
      throw error;
    }
  }

  lengths(): number[] {
    return this.#layers.map(({ length }) => length);
  }

  attend(layer: number, call: CallRows): Float32Array {
    return this.#settledOnFailure(() => this.#layers[layer]!.attend(call));
  }

  read(sharing: number, rows: SharedRows): Float32Array {
    const layer = this.#sharing[sharing]!;
    return this.#settledOnFailure(() => this.#layers[layer.cacheOf]!.read(layer, rows));
  }

  truncate(length: number): void {
    this.#settledOnFailure(() => {
      for (const layer of this.#layers) layer.reserveTruncation(length);
    });
    for (const layer of this.#layers) layer.truncate(length);
  }

  /** Holds both caches until the last layer is encoded. */
  retune(plan: CachePlan): void {
    this.#workspace.assertPlan(plan);
    const layers = emptyLayers(this.#workspace, plan);
    try {
      for (const [index, layer] of layers.entries()) layer.appendDecoded(this.#layers[index]!);
    } catch (error) {
      release(this.#workspace, layers);
      throw error;
    }
    release(this.#workspace, this.#layers);
    this.#layers = layers;
  }

  bytes(): CacheBytes {
    return sumBytes(this.#layers.map(({ key, value, length }) => cacheBytes(key.bytes(length), value.bytes(length))));
  }

  images(): CacheImage["tensors"] {
    return this.#layers.map(({ key, value, length }) => ({
      key: exportTensor(this.#workspace, key, length),
      value: exportTensor(this.#workspace, value, length),
    }));
  }

  clear(): void {
    release(this.#workspace, this.#layers);
    for (const { sinkLogits } of this.#sharing) sinkLogits.clear();
    this.#layers = [];
  }

  /** Releases the pages that a failed call allocated. */
  #settledOnFailure<Result>(call: () => Result): Result {
    try {
      return call();
    } catch (error) {
      for (const layer of this.#layers) layer.settleAgain();
      throw error;
    }
  }
}

const emptyLayers = (workspace: Workspace, { shape, layers, assets }: CachePlan): PackedLayer[] =>
  layers.map((scheme, index) => {
    const own = attendingLayer(workspace, layerShape(shape, index), attentionOf(shape, index));
    const isShared = shape.sharing?.some(({ cacheOf }) => cacheOf === index) ?? false;
    return new PackedLayer(workspace, scheme, own, isShared, assets);
  });

/** Frees the memory on the device, for other programs too. */
const release = ({ pool }: Workspace, layers: readonly PackedLayer[]): void => {
  for (const layer of layers) layer.clear();
  pool.trim();
};
