import { assertAssetsFit, type CacheShape, trueBits } from "@kvtuner/plan";
import { fakeQuantize, rotate } from "@kvtuner/quantizers";
import { expect, it } from "vitest";
import type { TunableModel } from "../../tunable-model.ts";
import { calibrateLowRank } from "./calibrate-low-rank.ts";
import { sharedRanks } from "./shared-ranks.ts";

const TOKENS = 200;
const RANK = 8;
const shape: CacheShape = { layers: 2, queryHeads: 2, kvHeads: 2, headSize: 16 };
const WIDTH = shape.kvHeads * shape.headSize;
const ROPE = { frequencies: Float32Array.of(1, 0.1, 0.01), pairing: "halves" } as const;

/** Pseudorandom numbers from -1 to 1. */
const uniform = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};

/** Vectors of each head in a space of `RANK` dimensions. */
const lowRankRows = (seed: number, spaceSeed: number): Float32Array => {
  const [next, space] = [uniform(seed), uniform(spaceSeed)];
  const spans = Float64Array.from({ length: shape.kvHeads * RANK * shape.headSize }, space);
  return Float32Array.from({ length: TOKENS * shape.kvHeads }, (_, row) => row).reduce(
    (rows, _, row) => {
      const head = row % shape.kvHeads;
      for (let k = 0; k < RANK; k++) {
        const part = next();
        for (let channel = 0; channel < shape.headSize; channel++)
          rows[row * shape.headSize + channel]! += part * spans[(head * RANK + k) * shape.headSize + channel]!;
      }
      return rows;
    },
    new Float32Array(TOKENS * WIDTH),
  );
};

const afterRope = (rows: Float32Array): Float32Array => {
  for (let row = 0; row < TOKENS * shape.kvHeads; row++)
    rotate(
      rows.subarray(row * shape.headSize, (row + 1) * shape.headSize),
      shape.headSize,
      Math.floor(row / shape.kvHeads),
      ROPE,
    );
  return rows;
};

/** Samples name the seed of their rows. */
const model: Pick<TunableModel, "shape" | "gradients" | "ropes"> = {
  shape,
  ropes: async () => [ROPE, ROPE],
  gradients: async (samples, { draws }, visit) => {
    for (const layer of [1, 0])
      for (const [sample, [seed = 0]] of samples.entries()) {
        const next = uniform(seed + 7);
        await visit({
          sample,
          layer,
          isOwn: true,
          trace: {
            query: Float32Array.from({ length: TOKENS * WIDTH }, next),
            key: afterRope(lowRankRows(seed + 1, 50 + layer)),
            value: lowRankRows(seed + 2, 60 + layer),
          },
          gradients: Array.from({ length: draws }, () => Float32Array.from({ length: TOKENS * WIDTH }, next)),
          attend: async () => expect.fail("no scheme is needed"),
        });
      }
  },
};

const layersOf = await calibrateLowRank(
  model as TunableModel,
  [new Int32Array(TOKENS), new Int32Array(TOKENS).fill(3)],
  {
    seed: 1,
    callbacks: { progress: () => undefined, warn: () => undefined },
  },
);

it("keeps vectors of low rank, keys before RoPE and values, and drops nothing else", () => {
  const { layers, assets } = layersOf({ share: 0.75, bits: 16 });
  expect(trueBits({ layers, shape }, 4096)).toBeLessThanOrEqual(12);
  for (const [layer, { key, value }] of layers.entries())
    for (const [scheme, rows] of [
      [key, afterRope(lowRankRows(99, 50 + layer))],
      [value, lowRankRows(99, 60 + layer)],
    ] as const) {
      assertAssetsFit(scheme, shape, assets);
      const decoded = new Float32Array(rows.length);
      fakeQuantize(rows, decoded, { tokens: TOKENS, heads: shape.kvHeads, headSize: shape.headSize }, scheme, {
        assets,
      });
      expect(Math.max(...rows.map((x, index) => Math.abs(x - decoded[index]!)))).toBeLessThan(0.01);
    }
});

it("codes the vectors with few bits and a norm", () => {
  const { layers, assets } = layersOf({ share: 0.75, bits: 4 });
  const rows = lowRankRows(99, 60);
  const decoded = new Float32Array(rows.length);
  const { value } = layers[0]!;
  fakeQuantize(rows, decoded, { tokens: TOKENS, heads: shape.kvHeads, headSize: shape.headSize }, value, { assets });
  const [error, power] = [(x: number, index: number) => (x - decoded[index]!) ** 2, (x: number) => x ** 2].map((of) =>
    rows.reduce((sum, x, index) => sum + of(x, index), 0),
  );
  expect(error! / power!).toBeLessThan(0.015);
  expect(error! / power!).toBeGreaterThan(0.002);
});

it("shares ranks in proportion to information, from 8 to all channels", () => {
  const tensors = [1, 1, 2, 100].map((information) => ({ size: 64, information }));
  expect(sharedRanks(tensors, 0.5)).toEqual([16, 16, 32, 64]);
  expect(sharedRanks(tensors, 1)).toEqual([64, 64, 64, 64]);
  expect(sharedRanks(tensors, 0.01)).toEqual([8, 8, 8, 8]);
});
