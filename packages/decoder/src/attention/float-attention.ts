import type { Attention } from "@kvtuner/backend";
import { type CacheShape, holesOf, layerShapes, tensorShape } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { AttentionKernel } from "./attention-kernel.ts";
import { GrowingRows } from "./growing-rows.ts";
import { queryTiles, rowsOf } from "./query-tiles.ts";

/** The baseline: one sequence's keys and values in float32, with the model's attention (batch 1). */
export class FloatAttention implements Attention {
  readonly #kernel: AttentionKernel;
  readonly #keys: GrowingRows[];
  readonly #values: GrowingRows[];
  readonly #shape: CacheShape;
  /** Hole of each layer with a cache. */
  readonly #holes: readonly number[];

  constructor(shape: CacheShape, kernel: AttentionKernel) {
    const growingRows = (tensor: "key" | "value"): GrowingRows[] =>
      layerShapes(shape)
        .map((layer) => tensorShape(layer, tensor))
        .map(({ kvHeads, headSize }) => new GrowingRows(kvHeads * headSize));
    this.#kernel = kernel;
    this.#shape = shape;
    this.#holes = [...holesOf(shape).entries()].flatMap(([hole, { sharing }]) => (sharing === undefined ? [hole] : []));
    this.#keys = growingRows("key");
    this.#values = growingRows("value");
  }

  /** Tokens in the first layer. */
  get length(): number {
    return this.#keys[0]?.length ?? 0;
  }

  /** Drops the tokens from `length` on. */
  truncate(length: number): void {
    for (const rows of [...this.#keys, ...this.#values]) rows.truncate(length);
  }

  /** Appends keys and values of one layer, as float32 rows of all KV heads, without attention. */
  append(layer: number, keys: Float32Array, values: Float32Array): void {
    this.#keys[layer]!.append(keys);
    this.#values[layer]!.append(values);
  }

  async attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor> {
    const keys = this.#keys[layer]!;
    const values = this.#values[layer]!;
    const start = keys.length;
    // Downloads tensors from a device: the baseline runs on the CPU.
    const [queries, newKeys, newValues] = await Promise.all(
      [query, key, value].map(async (tensor) => tensor.getData()),
    );
    this.append(layer, newKeys as Float32Array, newValues as Float32Array);
    const hole = this.#holes[layer]!;
    const output = await causalAttention(this.#kernel, hole, queries as Float32Array, start, keys, values);
    return outputTensor(output, query.dims[1]!);
  }

  async read(sharing: number, query: Tensor): Promise<Tensor> {
    const { cacheOf, place } = this.#shape.sharing![sharing]!;
    const [keys, values] = [this.#keys[cacheOf]!, this.#values[cacheOf]!];
    const queries = (await query.getData()) as Float32Array;
    const start = keys.length - query.dims[1]!;
    const output = await causalAttention(this.#kernel, place, queries, start, keys, values);
    return outputTensor(output, query.dims[1]!);
  }
}

const outputTensor = (output: Float32Array, tokens: number): Tensor =>
  new Tensor("float32", output, [1, tokens, output.length / tokens]);

/** Attention of queries at positions `start ..` over all rows of keys and values, in tiles of queries. */
const causalAttention = async (
  kernel: AttentionKernel,
  hole: number,
  query: Float32Array,
  start: number,
  keys: GrowingRows,
  values: GrowingRows,
): Promise<Float32Array> => {
  const rows = keys.length - start;
  const width = query.length / rows;
  let output = new Float32Array(0);
  for (const tile of queryTiles({ from: start, to: keys.length, span: kernel.span(hole) })) {
    const [first, end] = [tile.first - start, tile.end - start];
    const part = await kernel.run(hole, {
      query: rowsOf(query, width, first, end),
      key: keys.rows(tile.start, tile.end),
      value: values.rows(tile.start, tile.end),
      mask: tile.mask,
    });
    const outputWidth = part.length / (end - first);
    if (first === 0) output = new Float32Array(outputWidth * rows);
    output.set(part, outputWidth * first);
  }
  return output;
};
