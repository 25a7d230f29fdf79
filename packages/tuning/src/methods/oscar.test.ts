import { type Asset, assertAssetsFit, type CacheShape, tensorShape } from "@kvtuner/plan";
import { expect, test } from "vitest";
import type { TunableModel } from "../tunable-model.ts";
import type { CalibratedSetting } from "./method.ts";
import { oscarMethod } from "./oscar.ts";

const [TOKENS, SIZE] = [200, 16];
const shape: CacheShape = { layers: 1, queryHeads: 4, kvHeads: 2, headSize: SIZE };

/** Numbers from -1 to 1 whose channels reach differently far. */
const rows = (heads: number, seed: number): Float32Array =>
  Float32Array.from({ length: TOKENS * heads * SIZE }, (_, index) => {
    const hash = Math.imul(index + 1 + seed * 7919, 2_654_435_761) >>> 8;
    return ((hash / 2 ** 24) * 2 - 1) * (1 + (index % SIZE)) + (index % 3);
  });

const trace = { query: rows(4, 1), key: rows(2, 2), value: rows(2, 3) };

const model: Pick<TunableModel, "shape" | "trace"> = {
  shape,
  trace: async (_, visit) => {
    await visit(0, trace);
  },
};

const vectors = (x: Float32Array, heads: number, head: number): number[][] =>
  Array.from({ length: TOKENS }, (_, token) => [
    ...x.subarray((token * heads + head) * SIZE, (token * heads + head + 1) * SIZE),
  ]);

const dot = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((sum, number, index) => sum + number * y[index]!, 0);

const columns = ({ data }: Asset, head: number): number[][] =>
  Array.from({ length: SIZE }, (_, column) =>
    Array.from({ length: SIZE }, (_row, row) => data[(head * SIZE + row) * SIZE + column]!),
  );

test("tables are rotations of each KV head that spread what its attention weighs evenly over the channels", async () => {
  const { layers, assets = [] } = await (oscarMethod.settings[0] as CalibratedSetting).calibrate({
    model: model as TunableModel,
    samples: [Int32Array.of(1), Int32Array.of(2)],
    context: 4096,
    seed: 0,
    callbacks: { progress: () => undefined, warn: () => undefined },
  });
  for (const tensor of ["key", "value"] as const)
    assertAssetsFit(layers[0]![tensor], tensorShape(shape, tensor), assets);
  for (const head of [0, 1]) {
    const queries = [2 * head, 2 * head + 1].flatMap((reader) => vectors(trace.query, 4, reader));
    const weights = vectors(trace.key, 2, head).map((key) =>
      queries.reduce((sum, query) => sum + dot(query, key) ** 2, 0),
    );
    const values = vectors(trace.value, 2, head);
    const shares = [
      columns(assets[0]!, head).map((axis) => queries.reduce((sum, query) => sum + dot(query, axis) ** 2, 0)),
      columns(assets[1]!, head).map((axis) =>
        values.reduce((sum, value, token) => sum + weights[token]! * dot(value, axis) ** 2, 0),
      ),
    ];
    for (const own of shares) {
      const mean = own.reduce((sum, share) => sum + share, 0) / SIZE;
      for (const share of own) expect(share / mean).toBeCloseTo(1, 4);
    }
    for (const table of assets)
      for (const [one, axis] of columns(table, head).entries())
        for (const [other, second] of columns(table, head).entries())
          expect(dot(axis, second)).toBeCloseTo(Number(one === other), 5);
  }
});
