import {
  assertFiniteTensors,
  type CacheImage,
  type CachePlan,
  type CacheStore,
  type CallRows,
  type SharedRows,
} from "@kvtuner/backend";
import { attentionOf, type CacheBytes, cacheBytes, type LayerShape, layerShapes, sumBytes } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { PIECE_TOKENS, pieceTokens } from "../device/workspace.ts";
import type { KernelSource } from "../kernels/kernel-source.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { appendPiece, rotateMiddle } from "./append-piece.ts";
import { attendCall, readCall, type SentCall } from "./attend-call.ts";
import type { CallCodes } from "./call-codes.ts";
import { assertDeviceCall, deviceRows, downloadedRows } from "./device-rows.ts";
import { createLayer, type GpuLayer } from "./gpu-layer.ts";
import { imageOfLayer, moveLayer, restoreLayer } from "./layer-image.ts";
import { readLayerRows } from "./layer-rows.ts";
import { assertUnmarked } from "./marks.ts";
import { clearSharing, createSharing, type SharingLayer } from "./reader.ts";
import { assertTaken } from "./refused-call.ts";
import { restoredMiddle } from "./restored-middle.ts";
import { codesOfCall, hasTransform } from "./transform-codes.ts";
import { restoreExactRows, truncateLayer } from "./truncate-layer.ts";
import { uploadedRows } from "./uploaded-rows.ts";
import { workOn } from "./work.ts";

/** Packed layers on a device. */
export class WebGpuStore implements CacheStore {
  readonly #engine: Engine;
  #layers: GpuLayer[];
  /** Layers that share the cache of another. */
  readonly #sharing: readonly SharingLayer[];
  /**
   * The last call, until the device has accepted or rejected it. Calls do not wait for that, which would slow them down.
   */
  #sent: SentCall | undefined;
  /** Length to truncate to after that: a rejected call changes what a layer holds as codes. */
  #truncation = Infinity;

  constructor(engine: Engine, layers: GpuLayer[], sharing: readonly SharingLayer[] = []) {
    this.#engine = engine;
    this.#sharing = sharing;
    this.#layers = layers;
  }

  lengths(): number[] {
    return this.#layers.map((layer) => this.#lengthOf(layer));
  }

  async attend(layer: number, call: CallRows): Promise<Float32Array> {
    const stored = await this.#layerFor(layer, call.tokens);
    const sizeBytes = outputBytes(stored.shape, call.query);
    const staging = await this.#engine.staging.take(sizeBytes);
    const rows = uploadedRows(this.#engine, stored.shape, call);
    try {
      const codes = await codesOfCall(this.#engine, stored, call.tokens, call);
      this.#sent = await attendCall(this.#engine, stored, call.tokens, rows, staging.gpu, codes);
    } catch (error) {
      this.#engine.staging.giveBack(staging);
      throw error;
    }
    const output = new Float32Array(await this.#engine.staging.read(staging, sizeBytes));
    await this.settle();
    return output;
  }

  /**
   * Attends with tensors in buffers of the same device, without downloads. The next call throws if the device rejects
   * this one.
   */
  async attendTensors(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor> {
    assertDeviceCall({ query, key, value });
    const tokens = query.dims[1]!;
    const stored = await this.#layerFor(layer, tokens);
    const { queryHeads, headSize, valueSize = headSize } = stored.shape;
    const output = await this.#engine.outputs.take([1, tokens, queryHeads * valueSize]);
    const rows = deviceRows(this.#engine, stored.shape, { query, key, value });
    try {
      const codes = await this.#codesOfTensors(stored, tokens, key, value);
      this.#sent = await attendCall(this.#engine, stored, tokens, rows, output.gpuBuffer, codes);
    } catch (error) {
      output.dispose();
      throw error;
    }
    return output;
  }

  /** What a call with tensors on the device encodes on the CPU. Downloads them if they are needed. */
  async #codesOfTensors(layer: GpuLayer, tokens: number, key: Tensor, value: Tensor): Promise<CallCodes> {
    if (!hasTransform(layer)) return {};
    const rows = await downloadedRows(this.#engine, { key, value });
    return codesOfCall(this.#engine, layer, tokens, rows);
  }

  /** Attends with the queries of another layer's newest tokens, which the device has accepted. */
  async read(sharing: number, { tokens, query }: SharedRows): Promise<Float32Array> {
    const layer = this.#sharing[sharing]!;
    const reader = { ...layer, stored: this.#layers[layer.cacheOf]! };
    const sizeBytes = outputBytes(reader.shape, query);
    const staging = await this.#engine.staging.take(sizeBytes);
    const rows = uploadedRows(this.#engine, reader.shape, { tokens, query, key: NO_NUMBERS, value: NO_NUMBERS });
    try {
      await readCall(this.#engine, reader, tokens, rows, staging.gpu);
    } catch (error) {
      this.#engine.staging.giveBack(staging);
      throw error;
    }
    return new Float32Array(await this.#engine.staging.read(staging, sizeBytes));
  }

  /** A layer, ready to keep the tokens of a call in all forms until those that share it have read them. */
  async #layerFor(index: number, tokens: number): Promise<GpuLayer> {
    const layer = this.#layers[index]!;
    const callTokens = PIECE_TOKENS * Math.ceil(tokens / PIECE_TOKENS);
    if (layer.callTokens === callTokens || !this.#sharing.some(({ cacheOf }) => cacheOf === index)) return layer;
    const next = await createLayer(this.#engine, layer.shape, layer.scheme, layer.spec, {
      assets: layer.assets,
      callTokens,
    });
    try {
      if (layer.length > 0) await moveLayer(this.#engine, layer, next);
    } catch (error) {
      next.clear(this.#engine);
      throw error;
    }
    layer.clear(this.#engine);
    this.#layers[index] = next;
    return next;
  }

  /** Waits for the outcome of the last call, then runs a pending truncation. */
  async settle(): Promise<void> {
    const sent = this.#sent;
    try {
      if (sent) await assertTaken(sent);
    } finally {
      this.#sent = undefined;
      for (const layer of this.#layers) await restoreExactRows(this.#engine, layer, this.#truncation);
      this.#truncateLayers(this.#truncation);
      this.#truncation = Infinity;
    }
  }

  truncate(length: number): void {
    this.#engine.loss.assertThere();
    const isSent = this.#sent !== undefined && !this.#sent.isTaken;
    if (isSent || this.#layers.some(hasTransform)) this.#truncation = Math.min(this.#truncation, length);
    else this.#truncateLayers(length);
  }

  /** Holds both caches until the last layer is encoded. Rows pass through the CPU. */
  async retune({ layers: schemes, assets }: CachePlan): Promise<void> {
    await assertUnmarked(this.#engine, this.#layers);
    const next: GpuLayer[] = [];
    try {
      for (const [index, scheme] of schemes.entries()) {
        const layer = this.#layers[index];
        if (!layer) break;
        next.push(
          await createLayer(this.#engine, layer.shape, scheme, layer.spec, { assets, callTokens: layer.callTokens }),
        );
        await copyLayer(this.#engine, layer, next.at(-1)!, index);
      }
    } catch (error) {
      for (const layer of next) layer.clear(this.#engine);
      throw error;
    }
    // The store was cleared meanwhile, so nothing else would destroy the new layers.
    if (this.#layers.length === 0) return clearLayers(this.#engine, next);
    clearLayers(this.#engine, this.#layers);
    this.#layers = next;
  }

  bytes(): CacheBytes {
    return sumBytes(
      this.#layers.map((layer) => {
        const length = this.#lengthOf(layer);
        return cacheBytes(layer.bytes(layer.key, length), layer.bytes(layer.value, length));
      }),
    );
  }

  async images(): Promise<CacheImage["tensors"]> {
    await assertUnmarked(this.#engine, this.#layers);
    const images = [];
    for (const layer of this.#layers) images.push(await imageOfLayer(this.#engine, layer));
    return images;
  }

  clear(): void {
    if (this.#layers.length === 0) return;
    clearLayers(this.#engine, this.#layers);
    clearSharing(this.#engine, this.#sharing);
    this.#layers = [];
  }

  #lengthOf({ length }: GpuLayer): number {
    return Math.min(length, this.#truncation);
  }

  #truncateLayers(length: number): void {
    for (const layer of this.#layers) truncateLayer(this.#engine, layer, length);
  }
}

/**
 * A store for a plan, empty or restored from an image.
 *
 * @throws OutOfMemoryError when the device is full
 */
export const createStore = async (
  engine: Engine,
  { shape, layers: schemes, assets }: Pick<CachePlan, "shape" | "layers" | "assets">,
  image?: CacheImage,
): Promise<WebGpuStore> => {
  const shapes = layerShapes(shape);
  await engine.prepare(shapes.flatMap(kernelsOf));
  for (const own of shapes) await engine.workspace.reserve(own, 1);
  const layers: GpuLayer[] = [];
  const sharing = await createSharing(engine, shape);
  try {
    for (const [index, scheme] of schemes.entries())
      layers.push(await createLayer(engine, shapes[index]!, scheme, attentionOf(shape, index), { assets }));
    if (image) await restoreLayers(engine, layers, image);
  } catch (error) {
    clearLayers(engine, layers);
    clearSharing(engine, sharing);
    throw error;
  }
  return new WebGpuStore(engine, layers, sharing);
};

const kernelsOf = ({ headSize, valueSize = headSize }: LayerShape): KernelSource[] =>
  [headSize, valueSize].flatMap((size) => Object.values(rowKernels(size)));

const outputBytes = ({ headSize, valueSize = headSize }: LayerShape, query: Float32Array): number =>
  (4 * query.length * valueSize) / headSize;

const clearLayers = (engine: Engine, layers: readonly GpuLayer[]): void => {
  for (const layer of layers) layer.clear(engine);
};

const restoreLayers = async (engine: Engine, layers: readonly GpuLayer[], image: CacheImage): Promise<void> => {
  const { length, tensors } = image;
  if (length === 0) return;
  for (const [index, layer] of layers.entries()) {
    await layer.reserve(engine, length);
    restoreLayer(engine, layer, length, tensors[index]!);
    restoreMiddle(engine, layer, restoredMiddle(tensors[index]!.key, layer));
  }
};

const restoreMiddle = (engine: Engine, layer: GpuLayer, middle: Float32Array): void => {
  engine.device.queue.writeBuffer(layer.middles.gpu, 0, middle as Float32Array<ArrayBuffer>);
  if (!layer.key.format.isRotated) return;
  const commands = new Commands(engine);
  rotateMiddle(workOn(engine, commands, layer));
  commands.submit();
};

/** Appends all tokens of a layer, decoded and rounded to float16, to an empty layer. */
const copyLayer = async (engine: Engine, layer: GpuLayer, target: GpuLayer, index: number): Promise<void> => {
  const { length, shape } = layer;
  const { scheme } = target;
  await target.reserve(engine, length);
  const most = pieceTokens(shape, engine.limits);
  for (let first = 0; first < length; first += most) {
    const tokens = Math.min(most, length - first);
    const { key, value } = await readLayerRows(engine, layer, first, tokens);
    assertFiniteTensors(
      { layer: index, scheme, headSize: shape.headSize, valueSize: shape.valueSize },
      NO_NUMBERS,
      key,
      value,
    );
    const codes = await codesOfCall(engine, target, tokens, { key, value });
    const commands = new Commands(engine);
    uploadedRows(engine, shape, { tokens, query: NO_NUMBERS, key, value })(commands, 0, tokens);
    appendPiece(workOn(engine, commands, target, codes), tokens);
    commands.submit();
  }
};

const NO_NUMBERS = new Float32Array(0);
