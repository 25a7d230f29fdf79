import { type Decoder, fillHole, FloatAttention } from "@kvtuner/decoder";
import { holesOf } from "@kvtuner/plan";
import type { SampleTensors } from "./sample-attention.ts";

/**
 * Runs a sample with the float cache and passes the query, key and value (after RoPE) of each layer with a cache to `visit`. Holds one layer
 * at a time.
 */
export const trace = async (
  decoder: Decoder,
  ids: Int32Array,
  visit: (layer: number, tensors: SampleTensors) => void | Promise<void>,
): Promise<void> => {
  const positions = decoder.positions(Array.from(ids, (_, position) => position));
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const holes = holesOf(decoder.shape);
  let hole = await decoder.first(ids, positions);
  const rows = hole.positions ?? positions;
  for (const [index, place] of holes.entries()) {
    if (place.sharing === undefined)
      await visit(place.layer, {
        query: hole.query.data as Float32Array,
        key: hole.key!.data as Float32Array,
        value: hole.value!.data as Float32Array,
      });
    if (index === holes.length - 1) return;
    const output = await fillHole(attention, place, hole);
    hole = await decoder.next(index, hole.residual, output, rows);
  }
};
