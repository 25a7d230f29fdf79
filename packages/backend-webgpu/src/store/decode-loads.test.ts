import { type CacheShape, layerScheme, planBytes } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { plannedLayer } from "../test-support/planned-layer.ts";
import { type AttendPlan, planAttention } from "./attend-plan.ts";
import type { GpuLayer } from "./gpu-layer.ts";
import { exactFormat, groupTokens, type TensorFormat, TILE_TOKENS } from "./tensor-format.ts";

const SHAPE: CacheShape = { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 128 };
const TOKENS = 32_768;

/** The least that WebGPU promises. */
const LIMITS = { maxBindingBytes: 2 ** 27, maxGroups: 65_535 };

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
    const layer = plannedLayer(SHAPE, scheme, TOKENS, LIMITS.maxBindingBytes);
    const loaded = loadedBytes(layer, planAttention(layer, TOKENS - 1, 1, LIMITS));
    const packed = planBytes({ shape: SHAPE, layers: [scheme] }, TOKENS).total;
    expect(loaded / packed).toBeGreaterThan(0.99);
    expect(loaded / packed).toBeLessThan(1.1);
  });
});
