import type { LayerShape } from "@kvtuner/plan";
import type { Buffer } from "./buffer.ts";
import type { Gpu, GpuLimits } from "./gpu.ts";

/** Most tokens of one piece. */
export const PIECE_TOKENS = 128;

/** Tokens of a piece at a shape: as many as fit in one binding of `inputs`, and as `reduce` has workgroups for. */
export const pieceTokens = (shape: LayerShape, { maxBindingBytes, maxGroups }: GpuLimits): number => {
  const fitting = Math.min(
    Math.floor(maxBindingBytes / inputBytes(shape, 1)),
    Math.floor(maxGroups / shape.queryHeads),
  );
  return Math.max(1, Math.min(PIECE_TOKENS, fitting));
};

/** Bytes of the rows of some tokens, with two copies of the queries. */
const inputBytes = (shape: LayerShape, tokens: number): number => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize } = shape;
  return 4 * tokens * (2 * headSize * queryHeads + (headSize + valueSize) * kvHeads);
};

/** Buffers that all calls on a device share. */
const NAMES = ["inputs", "rows", "partials", "statistics", "outputs"] as const;

type BufferName = (typeof NAMES)[number];

/** Start of each kind of rows of a piece in `inputs`, in float32 numbers. */
export interface InputPlaces {
  readonly query: number;
  readonly rotatedQuery: number;
  readonly key: number;
  readonly value: number;
}

/** Buffers for the rows of a piece and its intermediate results. They grow and never shrink. */
export class Workspace {
  readonly #gpu: Gpu;
  readonly #buffers = new Map<BufferName, Buffer>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  get(name: BufferName): Buffer {
    return this.#buffers.get(name)!;
  }

  /**
   * Makes the buffers large enough for a shape and `partialVectors` partial sums of query vectors.
   *
   * @throws OutOfMemoryError `BACKEND_OUT_OF_MEMORY` when the device is full, or a size is over the limit of a binding
   */
  async reserve(shape: LayerShape, partialVectors: number): Promise<void> {
    const { queryHeads, kvHeads, headSize, valueSize = headSize } = shape;
    const tokens = pieceTokens(shape, this.#gpu.limits);
    await this.#grow("inputs", inputBytes(shape, tokens));
    await this.#grow("rows", 4 * PIECE_TOKENS * Math.max(headSize, valueSize) * kvHeads);
    await this.#grow("outputs", 4 * tokens * valueSize * queryHeads);
    await this.#grow("partials", 4 * valueSize * partialVectors);
    await this.#grow("statistics", 8 * partialVectors);
  }

  clear(): void {
    for (const buffer of this.#buffers.values()) this.#gpu.destroy(buffer);
    this.#buffers.clear();
  }

  async #grow(name: BufferName, sizeBytes: number): Promise<void> {
    if ((this.#buffers.get(name)?.sizeBytes ?? 0) >= sizeBytes) return;
    const rounded = Math.min(2 ** Math.ceil(Math.log2(sizeBytes)), this.#gpu.limits.maxBindingBytes);
    const grown = await this.#gpu.createBound(Math.max(sizeBytes, rounded));
    // A concurrent call may have grown it meanwhile.
    const old = this.#buffers.get(name);
    if (old && old.sizeBytes >= grown.sizeBytes) return this.#gpu.destroy(grown);
    this.#buffers.set(name, grown);
    if (old) this.#gpu.destroy(old);
  }
}

export const inputPlaces = (shape: LayerShape, limits: GpuLimits): InputPlaces => {
  const tokens = pieceTokens(shape, limits);
  const query = tokens * shape.queryHeads * shape.headSize;
  const key = tokens * shape.kvHeads * shape.headSize;
  return { query: 0, rotatedQuery: query, key: 2 * query, value: 2 * query + key };
};
