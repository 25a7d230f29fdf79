import { boundedLayer, OutOfMemoryError } from "@kvtuner/backend";
import { type AttentionSpec, type CacheShape, heldBytes, type LayerScheme, type TensorBytes } from "@kvtuner/plan";
import type { Buffer } from "../device/buffer.ts";
import type { Engine } from "../device/engine.ts";
import { PIECE_TOKENS } from "../device/workspace.ts";
import { type Block, createBlock } from "./blocks.ts";
import type { ExactTiles } from "./region.ts";
import { packedTokens, type TensorFormat, tensorFormat, TILE_TOKENS } from "./tensor-format.ts";

/** Keys, or values, of a layer. */
export interface GpuTensor {
  readonly format: TensorFormat;
  readonly tiles: ExactTiles;
  /** Rows kept exact; absent when there are never any. */
  readonly exact: Buffer | undefined;
}

/** One layer's cache on a device. */
export class GpuLayer {
  readonly shape: CacheShape;
  readonly scheme: LayerScheme;
  readonly spec: AttentionSpec;
  readonly key: GpuTensor;
  readonly value: GpuTensor;
  /**
   * float32 `[2, kvHeads * headSize]`: what is taken away from every key, and the same transformed. Behind them, at `mark`, is a
   * number other than 0 once something came into the layer that float16 does not hold.
   */
  readonly middles: Buffer;
  readonly blocks: Block[] = [];
  length = 0;

  constructor(
    shape: CacheShape,
    scheme: LayerScheme,
    spec: AttentionSpec,
    tensors: { readonly key: GpuTensor; readonly value: GpuTensor; readonly middles: Buffer },
  ) {
    this.shape = shape;
    this.scheme = scheme;
    this.spec = spec;
    this.key = tensors.key;
    this.value = tensors.value;
    this.middles = tensors.middles;
  }

  /** Number in `middles`. */
  get mark(): number {
    return 2 * this.shape.kvHeads * this.shape.headSize;
  }

  /** Tokens behind the sinks that there is room for. */
  get room(): number {
    const last = this.blocks.at(-1);
    return last ? last.first + last.tokens : 0;
  }

  /**
   * Makes room for a cache of `length` tokens.
   *
   * @throws OutOfMemoryError when the device has none
   */
  async reserve(engine: Engine, length: number): Promise<void> {
    const sizes = { key: this.key.format, value: this.value.format, kvHeads: this.shape.kvHeads };
    while (this.room < length - this.scheme.residency.sinks)
      this.blocks.push(await createBlock(engine, this.room, sizes));
  }

  /** Gives back the blocks that a cache of `length` tokens does not need, but for the first. */
  release(engine: Engine, length: number): void {
    const needed = this.blocks.findLastIndex(
      ({ first }) => first === 0 || first < length - this.scheme.residency.sinks,
    );
    for (const { key, value } of this.blocks.splice(needed + 1)) {
      engine.destroy(key);
      engine.destroy(value);
    }
  }

  /** Gives everything back. */
  clear(engine: Engine): void {
    for (const { key, value } of this.blocks.splice(0)) {
      engine.destroy(key);
      engine.destroy(value);
    }
    for (const buffer of [this.key.exact, this.value.exact, this.middles]) if (buffer) engine.destroy(buffer);
  }

  /** Bytes that so many tokens take in the blocks and in the exact rows; what a buffer has beyond is not counted. */
  bytes({ format }: GpuTensor, length: number): TensorBytes {
    const packed = packedTokens(format, length);
    const inBlocks = Math.min(packed, this.room);
    const tokens = format.isCoded
      ? { coded: inBlocks, exact: length - packed }
      : { coded: 0, exact: length - packed + inBlocks };
    return heldBytes(format.scheme, this.shape, tokens);
  }
}

/**
 * An empty layer.
 *
 * @throws OutOfMemoryError when the device has no room, or no kernel sees all recent tokens
 */
export const createLayer = async (
  engine: Engine,
  shape: CacheShape,
  asked: LayerScheme,
  spec: AttentionSpec,
): Promise<GpuLayer> => {
  const scheme = boundedLayer(asked, engine.maxTokens);
  const made: Buffer[] = [];
  const create = async (sizeBytes: number): Promise<Buffer> => {
    const buffer = await engine.createBound(sizeBytes);
    made.push(buffer);
    return buffer;
  };
  const createTensor = async (kind: "key" | "value"): Promise<GpuTensor> => {
    const format = tensorFormat(kind, scheme, shape.headSize);
    const tiles = exactTiles(format);
    const sizeBytes = 2 * TILE_TOKENS * (tiles.ring + tiles.sinks) * shape.kvHeads * shape.headSize;
    assertExactFits(format, sizeBytes, engine.limits.maxBindingBytes);
    return { format, tiles, exact: sizeBytes > 0 ? await create(sizeBytes) : undefined };
  };
  try {
    const middles = await create(8 * shape.kvHeads * shape.headSize + MARK_BYTES);
    return new GpuLayer(shape, scheme, spec, {
      key: await createTensor("key"),
      value: await createTensor("value"),
      middles,
    });
  } catch (error) {
    for (const buffer of made) engine.destroy(buffer);
    throw error;
  }
};

/** No text, however short, makes residency smaller, and no plan that is coarser otherwise. */
const assertExactFits = ({ recent, sinks, block }: TensorFormat, sizeBytes: number, maxBindingBytes: number): void => {
  if (sizeBytes <= maxBindingBytes) return;
  throw new OutOfMemoryError(sizeBytes, maxBindingBytes, {
    what: "a binding of the GPU",
    advice: `${recent} recent tokens, ${sinks} sinks and a block of ${block} are kept exact in one: choose smaller ones, or a lower maxTokens, to which they are cut`,
  });
};

/** Vectors of four are bound. */
const MARK_BYTES = 16;

/** The ring has room for the recent tokens, a block that is not full, and the tokens of a piece. */
const exactTiles = ({ isCoded, recent, block, sinks }: TensorFormat): ExactTiles => ({
  ring: isCoded ? Math.ceil((recent + block + PIECE_TOKENS) / TILE_TOKENS) + 1 : 0,
  sinks: Math.ceil(sinks / TILE_TOKENS),
});
