import type { CacheImage, CachePlan, CacheStore, CallRows, SharedRows } from "@kvtuner/backend";
import { type CacheBytes, cacheBytes, sumBytes } from "@kvtuner/plan";
import { createStore, ensureAll, type KernelOwner, type PackedStore, releaseArenas } from "./packed-store.ts";
import { assertRetunable, copyLayer } from "./retuned-store.ts";
import { assertRotatable } from "./rotatable.ts";
import { readShared } from "./sharing-layer.ts";
import { imagesOf } from "./tensor-image.ts";

/** Packed layers in WebAssembly memory. */
export class WasmStore implements CacheStore {
  readonly #owner: KernelOwner;
  #packed: PackedStore;

  constructor(owner: KernelOwner, packed: PackedStore) {
    this.#owner = owner;
    this.#packed = packed;
  }

  lengths(): number[] {
    return this.#packed.layers.map(({ length }) => length);
  }

  attend(layer: number, call: CallRows): Float32Array {
    const packed = this.#packed.layers[layer]!;
    assertRotatable(packed.key, call.key);
    assertRotatable(packed.value, call.value);
    packed.ensure(call.tokens);
    return packed.attend(call, this.#packed.workspaces[layer]!);
  }

  read(sharing: number, rows: SharedRows): Float32Array {
    const packed = this.#packed.sharing[sharing]!;
    return readShared(packed, rows, this.#packed.workspaces[this.#packed.layers.indexOf(packed.stored)]!);
  }

  truncate(length: number): void {
    const { layers, workspaces } = this.#packed;
    ensureAll(layers, (layer) => layer.truncationBytes(length));
    for (const [index, layer] of layers.entries()) layer.truncate(length, workspaces[index]!);
  }

  /**
   * Works layer by layer. Does everything that can fail before it encodes the first layer. Releases each memory of the old cache
   * after its last layer, and the threads' hold on all of them at the end. The engine may free memories later, so both
   * caches take memory for a while.
   */
  async retune(plan: CachePlan): Promise<void> {
    const next = await createStore(this.#owner, plan);
    const { layers, workspaces, sharing, arenas } = this.#packed;
    try {
      assertRetunable(this.#packed, next, plan);
      ensureAll(next.layers, (layer, index) => layer.neededBytes(layers[index]?.length ?? 0));
    } catch (error) {
      await releaseArenas(this.#owner.engine, next.arenas);
      throw error;
    }
    // If cleared meanwhile, there is nothing to copy, and nobody else to release the new memories.
    if (layers.length === 0) return releaseArenas(this.#owner.engine, next.arenas);
    for (const [index, layer] of layers.entries()) {
      copyLayer(layer, workspaces[index]!, next.layers[index]!, next.workspaces[index]!);
      layers[index] = next.layers[index]!;
      workspaces[index] = next.workspaces[index]!;
    }
    sharing.splice(0, sharing.length, ...next.sharing);
    await releaseArenas(this.#owner.engine, arenas.splice(0, arenas.length, ...next.arenas));
  }

  bytes(): CacheBytes {
    const { layers } = this.#packed;
    return sumBytes(layers.map(({ key, value, length }) => cacheBytes(key.bytes(length), value.bytes(length))));
  }

  images(): CacheImage["tensors"] {
    const { layers, workspaces } = this.#packed;
    return layers.map((layer, index) => ({
      key: imagesOf(layer, layer.key, workspaces[index]!),
      value: imagesOf(layer, layer.value, workspaces[index]!),
    }));
  }

  async clear(): Promise<void> {
    const { arenas } = this.#packed;
    this.#packed = { layers: [], workspaces: [], sharing: [], arenas: [] };
    await releaseArenas(this.#owner.engine, arenas);
  }
}
