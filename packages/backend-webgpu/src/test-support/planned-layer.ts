import {
  type AttentionSpec,
  type LayerShape,
  type LayerScheme,
  plainAttention,
  spanOf,
  tensorShape,
} from "@kvtuner/plan";
import type { Buffer } from "../device/buffer.ts";
import { nextTokens } from "../store/blocks.ts";
import { GpuLayer, type GpuTensor } from "../store/gpu-layer.ts";
import { tensorFormat } from "../store/tensor-format.ts";

/** Never accessed. */
const NO_BUFFER = {} as Buffer;

/** A layer with blocks for planning only; it is on no device. */
export const plannedLayer = (
  shape: LayerShape,
  scheme: LayerScheme,
  tokens: number,
  maxBindingBytes: number,
  spec: AttentionSpec = plainAttention(shape.headSize),
): GpuLayer => {
  const tensor = (kind: "key" | "value"): GpuTensor => ({
    format: tensorFormat(kind, scheme, tensorShape(shape, kind).headSize, spanOf(spec)),
    tiles: { ring: 8, sinks: 1 },
    exact: NO_BUFFER,
  });
  const tensors = { key: tensor("key"), value: tensor("value"), middles: NO_BUFFER };
  const layer = new GpuLayer(shape, scheme, spec, tensors);
  while (layer.capacity < Math.min(tokens, layer.cycle)) {
    const held = { first: layer.capacity, tokens: nextTokens(layer.capacity, layer.sizes, maxBindingBytes) };
    layer.blocks.push({ ...held, key: NO_BUFFER, value: NO_BUFFER });
  }
  return layer;
};
