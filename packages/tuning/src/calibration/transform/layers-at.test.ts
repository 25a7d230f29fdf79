import { assertAssetsFit, assetBytes, assetsOf, layerShape, trueBits, type CacheShape } from "@kvtuner/plan";
import { fakeQuantize, rotate, unrotate, type Rope } from "@kvtuner/quantizers";
import type { HeadTables } from "@kvtuner/sensitivity";
import { describe, expect, it } from "vitest";
import type { HeadRows, LayerRows } from "./cache-samples.ts";
import { type LayerTables, layerTables, type TransformForm } from "./layer-tables.ts";
import { layersAt, type TransformLayers, type TransformTables } from "./layers-at.ts";
import { statedLoss } from "./stated-loss.ts";

const TOKENS = 400;
const shape: CacheShape = { layers: 2, queryHeads: 2, kvHeads: 2, headSize: 8, valueSize: 6 };
const rope: Rope = { frequencies: Float32Array.of(1, 0.1, 0.01), pairing: "halves" };
const FORMS = ["channels", "full", "folded"] as const satisfies readonly TransformForm[];

/** Importance of each channel of a head; gradients have these sizes in every token, so all tokens count alike. */
const importance = (layer: number, head: number, channel: number): number => 2 ** (layer + head - (channel % 4));

describe.each(FORMS)("layers of form %s", (form) => {
  const rows = [0, 1].map(layerRows);
  const tables: TransformTables = {
    form,
    context: 4096,
    widths: [0, 1, 2, 3, 4, 5, 6, 7, 8],
    residency: { kind: "prefix", sinks: 4, recent: 32 },
    shape,
    tables: rows.map((own) => layerTables(own, { form, rope, context: 4096 })),
    ropes: [rope, rope],
    curves: new Map(),
  };

  it.each([2, 3.1, 5])("take at most %d true bits, and hardly fewer, with all tables", (bits) => {
    const { layers, assets } = layersAt(bits, tables);
    const taken = trueBits({ layers, shape }, tables.context);
    expect(taken).toBeLessThanOrEqual(bits);
    expect(taken).toBeGreaterThan(bits - 0.02);
    expect(assetBytes({ assets })).toBeGreaterThan(0);
    for (const [layer, scheme] of layers.entries()) {
      const own = layerShape(shape, layer);
      for (const [tensor, headSize] of [
        ["key", own.headSize],
        ["value", own.valueSize!],
      ] as const)
        assertAssetsFit(scheme[tensor], { kvHeads: own.kvHeads, headSize }, assets);
    }
  });

  it("lose what the tables state", () => {
    const found = layersAt(3, tables);
    for (const own of rows)
      for (const tensor of form === "folded" ? (["value"] as const) : (["key", "value"] as const)) {
        const stated = distortionAt(tables, own.layer, tensor, found);
        const measured = measuredLoss(own, tensor, found);
        // The codec also searches the best gain of each token.
        expect(measured / stated).toBeGreaterThan(0.4);
        expect(measured / stated).toBeLessThan(1.02);
      }
  });

  it("lose less with more bits", () => {
    const losses = [2, 3, 4].map((bits) => {
      const found = layersAt(bits, tables);
      return rows.reduce((sum, own) => sum + measuredLoss(own, "key", found) + measuredLoss(own, "value", found), 0);
    });
    expect(losses[1]!).toBeLessThan(losses[0]! / 2);
    expect(losses[2]!).toBeLessThan(losses[1]! / 2);
  });

  it("spend bits where the measured loss falls most", () => {
    // What layer 0 loses is 64 times what its tables state: as much as 3 bits a channel take away.
    const dearer = new Map(
      [...tables.tables[0]!.key, ...tables.tables[0]!.value].map((head) => [head, { points: [], slope: () => 64 }]),
    );
    const bitsOf = (found: TransformLayers, layer: number): number =>
      (["key", "value"] as const)
        .flatMap((tensor) => (found.layers[layer]![tensor] as { bits: readonly number[] }).bits)
        .reduce((sum, bits) => sum + bits / 4, 0);
    const [stated, measured] = [layersAt(5, tables), layersAt(5, { ...tables, curves: dearer })];
    const moved = (layer: number): number => bitsOf(measured, layer) - bitsOf(stated, layer);
    // Half of 3 bits go to layer 0, and half come from layer 1.
    expect(moved(0) - moved(1)).toBeGreaterThan(2.5);
    expect(moved(0) - moved(1)).toBeLessThan(3.5);
  });

  it("settle where prices that rise with the loss balance", () => {
    const heads = ({ key, value }: LayerTables): readonly HeadTables[] => [...key, ...value];
    const priced = (slope: (stated: number) => number): TransformTables => ({
      ...tables,
      curves: new Map(heads(tables.tables[0]!).map((head) => [head, { points: [], slope }])),
    });
    const lossesOf = (found: TransformLayers, layer: number): number[] =>
      (["key", "value"] as const).flatMap((tensor) => {
        const widths = widthsOf(found, layer, tensor);
        return tables.tables[layer]![tensor].map((head, at) => statedLoss(head, widths[at]!));
      });
    const sum = (numbers: readonly number[]): number => numbers.reduce((all, own) => all + own, 0);
    const cost = (found: TransformLayers): number =>
      sum(lossesOf(found, 0).map((loss) => 64 * loss ** 1.5)) + sum(lossesOf(found, 1));
    const costs = [1, 4, 16, 64, 256, 1024].map((price) =>
      cost(
        layersAt(
          3,
          priced(() => price),
        ),
      ),
    );
    expect(
      cost(
        layersAt(
          3,
          priced((loss) => 96 * loss ** 0.5),
        ),
      ),
    ).toBeLessThan(1.02 * Math.min(...costs));
  });

  it("need the bits of exact tokens and gains", () => {
    expect(() => layersAt(0.5, tables)).toThrow(expect.objectContaining({ code: "CALIBRATION_TOO_FEW_BITS" }));
  });
});

/** By KV head, bits of its channels. */
const widthsOf = (found: TransformLayers, layer: number, tensor: "key" | "value"): Uint8Array[] => {
  const { widths } = assetsOf(found.layers[layer]![tensor], found.assets);
  const [heads, kept] = widths!.shape as [number, number];
  return Array.from({ length: heads }, (_, head) => {
    const own = new Uint8Array(tensor === "key" ? shape.headSize : shape.valueSize!);
    own.set(widths!.data.subarray(head * kept, (head + 1) * kept));
    return own;
  });
};

/** Sum of the distortions at the chosen widths. */
const distortionAt = (
  { tables }: TransformTables,
  layer: number,
  tensor: "key" | "value",
  found: TransformLayers,
): number => {
  const widths = widthsOf(found, layer, tensor);
  return tables[layer]![tensor].reduce(
    (sum, { fits }, head) =>
      sum + fits.reduce((all, byWidth, channel) => all + byWidth[widths[head]![channel]!]!.distortion, 0),
    0,
  );
};

/** Mean over tokens of the squared error in the metric, of the keys as a cache gets them. */
const measuredLoss = (own: LayerRows, tensor: "key" | "value", found: TransformLayers): number => {
  const { layer, [tensor]: heads } = own;
  const [kvHeads, size] = [heads.length, heads[0]!.size];
  const source = new Float32Array(TOKENS * kvHeads * size);
  for (const [head, { rows }] of heads.entries())
    for (let token = 0; token < TOKENS; token++)
      source.set(rows.subarray(token * size, (token + 1) * size), (token * kvHeads + head) * size);
  const decoded = new Float32Array(source.length);
  fakeQuantize(source, decoded, { tokens: TOKENS, heads: kvHeads, headSize: size }, found.layers[layer]![tensor], {
    assets: found.assets,
    position: 0,
  });
  let loss = 0;
  for (const head of heads.keys()) {
    const errors = new Float32Array(TOKENS * size).map((_, index) => {
      const at = (Math.floor(index / size) * kvHeads + head) * size + (index % size);
      return decoded[at]! - source[at]!;
    });
    if (tensor === "key") unrotate(errors, size, 0, rope);
    for (const [index, error] of errors.entries())
      loss += (importance(layer, head, index % size) * error) ** 2 / TOKENS;
  }
  return loss;
};

function layerRows(layer: number): LayerRows {
  const next = normals(layer + 1);
  const headRows = (head: number, size: number, turned: boolean): HeadRows => {
    const mix = Float32Array.from({ length: size * size }, next);
    const positions = Int32Array.from({ length: TOKENS }, (_, token) => token);
    const rows = new Float32Array(TOKENS * size);
    for (let token = 0; token < TOKENS; token++) {
      const factor = Math.exp(next() / 2);
      const own = Array.from({ length: size }, () => factor * next());
      for (let i = 0; i < size; i++)
        rows[token * size + i] = 3 * i + own.reduce((sum, x, j) => sum + mix[i * size + j]! * x, 0);
    }
    const gradients = [0, 1].map(() =>
      new Float32Array(rows.length).map((_, index) => Math.sign(next()) * importance(layer, head, index % size)),
    );
    // The rows above are keys before RoPE.
    if (turned) for (const own of [rows, ...gradients]) rotate(own, size, 0, rope);
    return { size, rows, gradients, positions };
  };
  return {
    layer,
    key: [0, 1].map((head) => headRows(head, 8, true)),
    value: [0, 1].map((head) => headRows(head, 6, false)),
  };
}

/** Pseudorandom numbers, roughly normal. */
function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) >>> 0;
    return state / 2 ** 32;
  };
  return () => Math.sqrt(2) * (uniform() + uniform() + uniform() + uniform() + uniform() + uniform() - 3);
}
