import { type Decoder, fillHole, FloatAttention } from "@kvtuner/decoder";
import type { SampleTensors } from "./sample-attention.ts";

/**
 * Runs a sample with the float cache and passes each layer's query, key and value (after RoPE) to `visit`. Holds one layer
 * at a time.
 */
export const trace = async (
  decoder: Decoder,
  ids: Int32Array,
  visit: (layer: number, tensors: SampleTensors) => void | Promise<void>,
): Promise<void> => {
  const positions = decoder.positions(Array.from(ids, (_, position) => position));
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  let hole = await decoder.first(ids, positions);
  for (let layer = 0; layer < decoder.shape.layers; layer++) {
    await visit(layer, {
      query: hole.query.data as Float32Array,
      key: hole.key.data as Float32Array,
      value: hole.value.data as Float32Array,
    });
    if (layer === decoder.shape.layers - 1) return;
    const output = await fillHole(attention, layer, hole);
    hole = await decoder.next(layer, hole.residual, output, positions);
  }
};
