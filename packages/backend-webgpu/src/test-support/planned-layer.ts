import { type CacheShape, type LayerScheme, plainAttention } from "@kvtuner/plan";
import type { Buffer } from "../device/buffer.ts";
import { nextTokens } from "../store/blocks.ts";
import { GpuLayer, type GpuTensor } from "../store/gpu-layer.ts";
import { tensorFormat } from "../store/tensor-format.ts";

/** Never accessed. */
const NO_BUFFER = {} as Buffer;

/** A layer with blocks for planning only; it is on no device. */
export const plannedLayer = (
  shape: CacheShape,
  scheme: LayerScheme,
  tokens: number,
  maxBindingBytes: number,
): GpuLayer => {
  const tensor = (kind: "key" | "value"): GpuTensor => ({
    format: tensorFormat(kind, scheme, shape.headSize),
    tiles: { ring: 8, sinks: 1 },
    exact: NO_BUFFER,
  });
  const tensors = { key: tensor("key"), value: tensor("value"), middles: NO_BUFFER };
  const layer = new GpuLayer(shape, scheme, plainAttention(shape.headSize), tensors);
  const sizes = { key: tensors.key.format, value: tensors.value.format, kvHeads: shape.kvHeads };
  while (layer.capacity < tokens) {
    const held = { first: layer.capacity, tokens: nextTokens(layer.capacity, sizes, maxBindingBytes) };
    layer.blocks.push({ ...held, key: NO_BUFFER, value: NO_BUFFER });
  }
  return layer;
};
