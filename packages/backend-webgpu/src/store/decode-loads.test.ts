import { type CacheShape, layerScheme, type LayerScheme, planBytes } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import type { Buffer } from "../device/buffer.ts";
import { type AttendPlan, planAttention } from "./attend-piece.ts";
import { nextTokens } from "./blocks.ts";
import { GpuLayer, type GpuTensor } from "./gpu-layer.ts";
import { exactFormat, groupTokens, type TensorFormat, tensorFormat, TILE_TOKENS } from "./tensor-format.ts";

const SHAPE: CacheShape = { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 128 };
const TOKENS = 32_768;

/** No test touches it. */
const NO_BUFFER = {} as Buffer;

const layerOf = (scheme: LayerScheme): GpuLayer => {
  const tensor = (kind: "key" | "value"): GpuTensor => ({
    format: tensorFormat(kind, scheme, SHAPE.headSize),
    tiles: { ring: 8, sinks: 1 },
    exact: NO_BUFFER,
  });
  const tensors = { key: tensor("key"), value: tensor("value"), middles: NO_BUFFER };
  const layer = new GpuLayer(SHAPE, scheme, tensors);
  const sizes = { key: tensors.key.format, value: tensors.value.format, kvHeads: SHAPE.kvHeads };
  while (layer.room < TOKENS)
    layer.blocks.push({
      first: layer.room,
      tokens: nextTokens(layer.room, sizes, 2 ** 27),
      key: NO_BUFFER,
      value: NO_BUFFER,
    });
  return layer;
};

/**
 * Bytes that `attend.wgsl` loads from buffers: of each tile, the words of codes or rows once (lanes that want one word get it
 * together) and the parameters; queries and middles once a workgroup.
 */
const loadedBytes = ({ key, value, shape }: GpuLayer, { items }: AttendPlan): number =>
  items.reduce((sum, { item, kernel, splits }) => {
    const tileBytes = tileLoads(key.format, item.isKeyExact) + tileLoads(value.format, item.isValueExact);
    const groupBytes = 4 * shape.headSize * (kernel.vectors + 1);
    return sum + shape.kvHeads * ((item.endTile - item.firstTile) * tileBytes + splits * groupBytes);
  }, 0);

const tileLoads = (packed: TensorFormat, isExact: boolean): number => {
  const format = isExact ? exactFormat(packed) : packed;
  const codes = 4 * TILE_TOKENS * format.rowWords;
  if (format.bits === 16) return codes;
  const groups = format.isChannel
    ? Math.max(1, TILE_TOKENS / groupTokens(format)) * format.headSize
    : TILE_TOKENS * format.groups;
  return codes + groups * (format.isAffine ? 4 : 2);
};

describe("the decode kernel loads at most 1.1 times the packed cache", () => {
  it.each([
    ["per-token K4V4", layerScheme("per-token", { key: 4, value: 4 })],
    ["kivi K4V4", layerScheme("kivi", { key: 4, value: 4 }, { sinks: 4 })],
    ["kivi K2V2", layerScheme("kivi", { key: 2, value: 2 })],
    ["compact K4V3", layerScheme("compact", { key: 4, value: 3 })],
    ["16 bits", layerScheme("per-token", { key: 16, value: 16 })],
  ])("%s", (_, scheme) => {
    const layer = layerOf(scheme);
    const loaded = loadedBytes(layer, planAttention(layer, TOKENS - 1, 1));
    const packed = planBytes({ shape: SHAPE, layers: [scheme] }, TOKENS).total;
    expect(loaded / packed).toBeGreaterThan(0.99);
    expect(loaded / packed).toBeLessThan(1.1);
  });
});
