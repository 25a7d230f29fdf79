import { boundedLayer, OutOfMemoryError } from "@kvtuner/backend";
import {
  type Asset,
  type AttentionSpec,
  type LayerShape,
  heldBytes,
  type LayerScheme,
  spanOf,
  tensorShape,
  type TensorBytes,
} from "@kvtuner/plan";
import type { Buffer } from "../device/buffer.ts";
import type { Engine } from "../device/engine.ts";
import { PIECE_TOKENS } from "../device/workspace.ts";
import { TILE_TOKENS } from "../kernels/tile.ts";
import { layerTables } from "../transform/layer-tables.ts";
import { type Block, type BlockSizes, createBlock, cycleTokens } from "./blocks.ts";
import type { ExactTiles } from "./region.ts";
import { createSinkLogits } from "./sink-logits.ts";
import { heldAt, type TensorFormat, tensorFormat } from "./tensor-format.ts";

/** Keys or values of a layer. */
export interface GpuTensor {
  readonly format: TensorFormat;
  readonly tiles: ExactTiles;
  /** Exact rows; undefined when the plan never has any. */
  readonly exact: Buffer | undefined;
}

/** One layer's cache on a device. */
export class GpuLayer {
  /** A layer reads itself: see `Reader`. */
  readonly stored: GpuLayer = this;
  readonly shape: LayerShape;
  readonly scheme: LayerScheme;
  readonly spec: AttentionSpec;
  readonly key: GpuTensor;
  readonly value: GpuTensor;
  /**
   * float32 `[2, kvHeads * headSize]`: the vector subtracted from every key, and its transform. Then, at `mark`, a number
   * that is not 0 once the layer received numbers out of float16's range.
   */
  readonly middles: Buffer;
  /** float32 `[queryHeads]`, if the model has sink logits. */
  readonly sinkLogits: Buffer | undefined;
  /** Of tensors of the codec `transform`, keys first; `kernels/transform-tables.wgsl` has the layout. */
  readonly tables: Buffer | undefined;
  readonly assets: readonly Asset[] | undefined;
  readonly blocks: Block[] = [];
  /** See `BlockCycle`. */
  readonly cycle: number;
  /** Most tokens of a call whose keys and values remain in all their forms until the next call. */
  readonly callTokens: number;
  length = 0;

  constructor(
    shape: LayerShape,
    scheme: LayerScheme,
    spec: AttentionSpec,
    tensors: Pick<GpuLayer, "key" | "value" | "middles"> & Partial<Pick<GpuLayer, "sinkLogits" | "tables" | "assets">>,
    callTokens: number = PIECE_TOKENS,
  ) {
    this.shape = shape;
    this.scheme = scheme;
    this.spec = spec;
    this.key = tensors.key;
    this.value = tensors.value;
    this.middles = tensors.middles;
    this.sinkLogits = tensors.sinkLogits;
    this.tables = tensors.tables;
    this.assets = tensors.assets;
    this.cycle = cycleTokens({ key: this.key.format, value: this.value.format }, callTokens);
    this.callTokens = callTokens;
  }

  /** Index of the mark in `middles`. */
  get mark(): number {
    return 2 * this.shape.kvHeads * this.shape.headSize;
  }

  /** Tokens after the sinks that fit into the blocks. */
  get capacity(): number {
    const last = this.blocks.at(-1);
    return last ? last.first + last.tokens : 0;
  }

  /**
   * Allocates blocks for a cache of `length` tokens.
   *
   * @throws OutOfMemoryError when the device is full
   */
  async reserve(engine: Engine, length: number): Promise<void> {
    const needed = Math.min(length - this.scheme.residency.sinks, this.cycle);
    while (this.capacity < needed) this.blocks.push(await createBlock(engine, this.capacity, this.sizes));
  }

  get sizes(): BlockSizes {
    return { key: this.key.format, value: this.value.format, kvHeads: this.shape.kvHeads, cycle: this.cycle };
  }

  /** Destroys the blocks that a cache of `length` tokens does not need, except the first. */
  release(engine: Engine, length: number): void {
    const needed = this.blocks.findLastIndex(
      ({ first }) => first === 0 || first < length - this.scheme.residency.sinks,
    );
    for (const { key, value } of this.blocks.splice(needed + 1)) {
      engine.destroy(key);
      engine.destroy(value);
    }
  }

  /** Destroys all buffers. */
  clear(engine: Engine): void {
    for (const { key, value } of this.blocks.splice(0)) {
      engine.destroy(key);
      engine.destroy(value);
    }
    const { key, value, middles, sinkLogits, tables } = this;
    for (const buffer of [key.exact, value.exact, middles, sinkLogits, tables]) if (buffer) engine.destroy(buffer);
  }

  /** Bytes of what a cache of `length` tokens holds in the blocks and the exact rows, without unused space. */
  bytes({ format }: GpuTensor, length: number): TensorBytes {
    const { coded, exact } = heldAt(format, length);
    return heldBytes(format.scheme, tensorShape(this.shape, format.kind), {
      coded: Math.min(coded, this.capacity),
      exact,
    });
  }
}

/**
 * Creates an empty layer. Calls of more than `callTokens` tokens are possible too, but only their last piece remains in all
 * forms.
 *
 * @param options.assets the plan's
 * @throws OutOfMemoryError when the device is full, or the exact rows exceed one binding
 */
export const createLayer = async (
  engine: Engine,
  shape: LayerShape,
  requested: LayerScheme,
  spec: AttentionSpec,
  { assets, callTokens = PIECE_TOKENS }: Partial<Pick<GpuLayer, "assets" | "callTokens">> = {},
): Promise<GpuLayer> => {
  const scheme = boundedLayer(requested, engine.maxTokens);
  const made: Buffer[] = [];
  const create = async (sizeBytes: number): Promise<Buffer> => {
    const buffer = await engine.createBound(sizeBytes);
    made.push(buffer);
    return buffer;
  };
  const tables = layerTables(shape, scheme, assets);
  const createTensor = async (kind: "key" | "value"): Promise<GpuTensor> => {
    const { headSize } = tensorShape(shape, kind);
    const format = tensorFormat(kind, scheme, headSize, spanOf(spec), tables[kind]);
    const tiles = exactTiles(format, callTokens);
    const sizeBytes = 2 * TILE_TOKENS * (tiles.ring + tiles.sinks) * shape.kvHeads * format.headSize;
    assertExactFits(format, sizeBytes, engine.limits.maxBindingBytes);
    return { format, tiles, exact: sizeBytes > 0 ? await create(sizeBytes) : undefined };
  };
  try {
    const middles = await create(8 * shape.kvHeads * shape.headSize + MARK_BYTES);
    const tensors = { key: await createTensor("key"), value: await createTensor("value"), middles };
    const sinkLogits = await createSinkLogits(engine, spec);
    if (sinkLogits) made.push(sinkLogits);
    const { words } = tables;
    const tablesBuffer = words.length > 0 ? await create(words.byteLength) : undefined;
    if (tablesBuffer) engine.device.queue.writeBuffer(tablesBuffer.gpu, 0, words);
    const buffers = { sinkLogits, tables: tablesBuffer };
    return new GpuLayer(shape, scheme, spec, { ...tensors, ...buffers, assets }, callTokens);
  } catch (error) {
    for (const buffer of made) engine.destroy(buffer);
    throw error;
  }
};

/** A shorter text or fewer bits would not help, so the advice is about residency. */
const assertExactFits = ({ recent, sinks, block }: TensorFormat, sizeBytes: number, maxBindingBytes: number): void => {
  if (sizeBytes <= maxBindingBytes) return;
  throw new OutOfMemoryError(sizeBytes, maxBindingBytes, {
    what: "a binding of the GPU",
    advice: `${recent} recent tokens, ${sinks} sinks and a block of ${block} must fit in one binding: choose smaller ones, or a lower maxTokens, which limits them`,
  });
};

/** One vector of four, the unit of the binding. */
const MARK_BYTES = 16;

/** The ring holds the recent tokens that are read, an incomplete block and the tokens of a call. */
const exactTiles = ({ isCoded, recent, span, block, sinks }: TensorFormat, callTokens: number): ExactTiles => ({
  ring: isCoded ? Math.ceil((Math.min(recent, span) + block + callTokens) / TILE_TOKENS) + 1 : 0,
  sinks: Math.ceil(sinks / TILE_TOKENS),
});
