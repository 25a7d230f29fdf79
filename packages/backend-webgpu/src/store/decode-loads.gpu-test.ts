import { type CacheShape, type LayerScheme, layerScheme, planBytes } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { filledLayer } from "../choice/filled-layer.ts";
import { Engine } from "../device/engine.ts";
import { PLAIN } from "../kernels/variant.ts";
import { countingDevice, type LoadedBytes } from "../test-support/counting-device.ts";
import { testDevice } from "../test-support/node-gpu.ts";
import { WebGpuStore } from "./webgpu-store.ts";

const SHAPE: CacheShape = { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 128 };
const TOKENS = 8192;

const { device, skipped } = await testDevice();

describe.skipIf(skipped)(`the decode kernel, as it runs${skipped ? ` (${skipped})` : ""}`, () => {
  const counting = device && countingDevice(device);

  /** Loads of keys and values by attention of one token, in multiples of the packed cache. */
  const loadsOf = async (scheme: LayerScheme, shape: CacheShape): Promise<LoadedBytes> => {
    const engine = new Engine(counting!.device, PLAIN);
    const store = new WebGpuStore(engine, [await filledLayer(engine, shape, scheme, TOKENS - 1)]);
    const rows = (heads: number): Float32Array => new Float32Array(heads * shape.headSize).fill(1);
    const [query, key, value] = [rows(shape.queryHeads), rows(shape.kvHeads), rows(shape.kvHeads)];
    await store.attend(0, { tokens: 1, query, key, value });
    const { byLanes, inSectors } = await counting!.read();
    store.clear();
    engine.dispose();
    const packed = planBytes({ shape, layers: [scheme] }, TOKENS).total;
    return { byLanes: byLanes / packed, inSectors: inSectors / packed };
  };

  // By lanes: a lane loads each word of one token's key once; for values, neighbouring lanes take four channels of a word
  // each, and all of them load the token's scale. One extra load of any word would show here.
  it.each([
    ["kivi K4V4", layerScheme("kivi", { key: 4, value: 4 }), 2.11],
    ["kivi K2V2", layerScheme("kivi", { key: 2, value: 2 }), 3.15],
    ["compact K4V3", layerScheme("compact", { key: 4, value: 3 }), 3.77],
  ])("moves at most 1.1 times the packed cache: %s", async (_, scheme, byLanes) => {
    const loads = await loadsOf(scheme, SHAPE);
    expect(loads.inSectors).toBeGreaterThan(0.99);
    expect(loads.inSectors).toBeLessThan(1.1);
    expect(loads.byLanes).toBeCloseTo(byLanes, 2);
  });

  it.each([
    [8, 1],
    [16, 2],
  ])("with %i query heads on each KV head moves it %i times: a workgroup takes eight", async (group, times) => {
    const shape = { ...SHAPE, queryHeads: group, kvHeads: 1 };
    const { inSectors } = await loadsOf(layerScheme("per-token", { key: 4, value: 4 }), shape);
    expect(inSectors).toBeGreaterThan(0.99 * times);
    expect(inSectors).toBeLessThan(1.1 * times);
  });
});
