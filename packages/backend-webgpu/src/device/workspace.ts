import type { CacheShape } from "@kvtuner/plan";
import type { Buffer } from "./buffer.ts";
import type { Engine } from "./engine.ts";

/** Tokens that are taken at a time. */
export const PIECE_TOKENS = 128;

/** Buffers that all calls of a device take turns with. */
const NAMES = ["inputs", "rows", "partials", "statistics", "outputs"] as const;

type BufferName = (typeof NAMES)[number];

/** Where the rows of a piece are in `inputs`, in float32 numbers. */
export interface InputPlaces {
  readonly query: number;
  readonly rotatedQuery: number;
  readonly key: number;
  readonly value: number;
}

/** Buffers for the rows of a piece, and what comes of them on the way. They grow and never shrink. */
export class Workspace {
  readonly #engine: Engine;
  readonly #buffers = new Map<BufferName, Buffer>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get(name: BufferName): Buffer {
    return this.#buffers.get(name)!;
  }

  /** Makes the buffers large enough for a shape, and so many partial sums of query vectors. */
  async reserve(shape: CacheShape, partialVectors: number): Promise<void> {
    const { queryHeads, kvHeads, headSize } = shape;
    const rowBytes = 4 * PIECE_TOKENS * headSize;
    await this.#grow("inputs", rowBytes * (2 * queryHeads + 2 * kvHeads));
    await this.#grow("rows", rowBytes * kvHeads);
    await this.#grow("outputs", rowBytes * queryHeads);
    await this.#grow("partials", 4 * headSize * partialVectors);
    await this.#grow("statistics", 8 * partialVectors);
  }

  /** Gives all buffers back. */
  clear(): void {
    for (const buffer of this.#buffers.values()) this.#engine.destroy(buffer);
    this.#buffers.clear();
  }

  async #grow(name: BufferName, sizeBytes: number): Promise<void> {
    if ((this.#buffers.get(name)?.sizeBytes ?? 0) >= sizeBytes) return;
    const grown = await this.#engine.createBuffer(2 ** Math.ceil(Math.log2(sizeBytes)));
    // Another call may have been faster.
    const old = this.#buffers.get(name);
    if (old && old.sizeBytes >= grown.sizeBytes) return this.#engine.destroy(grown);
    this.#buffers.set(name, grown);
    if (old) this.#engine.destroy(old);
  }
}

/** Places of the rows of a piece. */
export const inputPlaces = ({ queryHeads, kvHeads, headSize }: CacheShape): InputPlaces => {
  const query = PIECE_TOKENS * queryHeads * headSize;
  const key = PIECE_TOKENS * kvHeads * headSize;
  return { query: 0, rotatedQuery: query, key: 2 * query, value: 2 * query + key };
};
