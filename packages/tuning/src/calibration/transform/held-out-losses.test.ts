import { assetsOf, type CacheShape, isCoded } from "@kvtuner/plan";
import { fakeQuantize, type Rope } from "@kvtuner/quantizers";
import { expect, it } from "vitest";
import type { PlaceGradients } from "../../tunable-model.ts";
import { heldOutLosses } from "./held-out-losses.ts";
import { layerTables } from "./layer-tables.ts";

const [TOKENS, SIZE, HEADS] = [120, 4, 2];
const RESIDENCY = { kind: "prefix", sinks: 2, recent: 8 } as const;
const shape: CacheShape = { layers: 1, queryHeads: 4, kvHeads: HEADS, headSize: SIZE };
const rope: Rope = { frequencies: Float32Array.of(1, 0.1), pairing: "halves" };
const options = { shape, form: "full", rope, widths: [0, 1, 2, 3, 4, 6, 8], residency: RESIDENCY } as const;

it("measures what each KV head loses through attention, in the unit of the tables", async () => {
  const next = normals(3);
  const filled = (length: number): Float32Array => Float32Array.from({ length }, next);
  const heads = (): Parameters<typeof layerTables>[0]["key"] =>
    Array.from({ length: HEADS }, () => ({
      size: SIZE,
      rows: filled(TOKENS * SIZE),
      gradients: [filled(TOKENS * SIZE)],
      positions: Int32Array.from({ length: TOKENS }, (_, token) => token),
    }));
  const tables = layerTables({ layer: 0, key: heads(), value: heads() }, { form: "full", rope, context: TOKENS });
  const losses = heldOutLosses(tables, options);
  const asked: { tensor: "key" | "value"; bits: number; loss: number[] }[] = [];
  for (const sample of [0, 1]) {
    const place = placeOf(sample, filled, (tensor, bits, loss) => {
      const known = asked.find((own) => own.tensor === tensor && own.bits === bits);
      if (known) for (const head of loss.keys()) known.loss[head]! += loss[head]!;
      else asked.push({ tensor, bits, loss });
    });
    await losses.add(place);
  }
  // Three levels of each tensor, of which each head's curve has the measured loss.
  expect(asked).toHaveLength(6);
  const coded = 2 * (TOKENS - RESIDENCY.sinks - RESIDENCY.recent);
  const curves = new Map(losses.curves(tables));
  expect(curves.size).toBe(2 * HEADS);
  for (const tensor of ["key", "value"] as const)
    for (const [head, own] of tables[tensor].entries()) {
      const expected = asked.filter((each) => each.tensor === tensor).map(({ loss }) => loss[head]! / coded);
      const { points } = curves.get(own)!;
      for (const [level, { measured }] of points.entries()) expect(measured / expected[level]!).toBeCloseTo(1, 5);
    }
});

/** A place whose output is the key plus the value of the KV head, for each of two query heads; counts what each scheme loses. */
const placeOf = (
  sample: number,
  filled: (length: number) => Float32Array,
  count: (tensor: "key" | "value", bits: number, loss: number[]) => void,
): PlaceGradients => {
  const width = HEADS * SIZE;
  const trace = { query: filled(TOKENS * 2 * width), key: filled(TOKENS * width), value: filled(TOKENS * width) };
  const gradients = [filled(TOKENS * 2 * width), filled(TOKENS * 2 * width)];
  const outputOf = (key: Float32Array, value: Float32Array): Float32Array =>
    Float32Array.from({ length: TOKENS * 2 * width }, (_, index) => {
      const [token, queryHead, i] = [Math.floor(index / (2 * width)), Math.floor(index / SIZE) % 4, index % SIZE];
      const at = token * width + (queryHead >> 1) * SIZE + i;
      return key[at]! + value[at]!;
    });
  const exact = outputOf(trace.key, trace.value);
  return {
    sample,
    layer: 0,
    isOwn: true,
    trace,
    gradients,
    attend: async (scheme, assets) => {
      const coded = (["key", "value"] as const).filter((tensor) => isCoded(scheme[tensor]));
      expect(coded.length).toBeLessThan(2);
      const tensor = coded[0];
      if (!tensor) return exact;
      const decoded = new Float32Array(TOKENS * width);
      const rows = { tokens: TOKENS, heads: HEADS, headSize: SIZE };
      fakeQuantize(trace[tensor], decoded, rows, scheme[tensor], { assets, position: 0 });
      const output = tensor === "key" ? outputOf(decoded, trace.value) : outputOf(trace.key, decoded);
      const { widths } = assetsOf(scheme[tensor], assets);
      const bits = Array.from(widths!.data).reduce((sum, own) => sum + own, 0);
      count(tensor, bits, lossOf(exact, output, gradients));
      return output;
    },
  };
};

/** By KV head, the mean over draws of the squared inner products of gradients and errors, token by token. */
const lossOf = (exact: Float32Array, output: Float32Array, gradients: readonly Float32Array[]): number[] =>
  Array.from({ length: HEADS }, (_, head) => {
    let sum = 0;
    for (let token = 0; token < TOKENS; token++)
      for (const gradient of gradients) {
        let product = 0;
        for (let i = 0; i < 2 * SIZE; i++) {
          const at = (token * HEADS + head) * 2 * SIZE + i;
          product += gradient[at]! * (output[at]! - exact[at]!);
        }
        sum += product ** 2 / gradients.length;
      }
    return sum;
  });

/** Pseudorandom numbers, roughly normal. */
function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 3266489917) >>> 0;
    return state / 2 ** 32;
  };
  return () => Math.sqrt(2) * (uniform() + uniform() + uniform() + uniform() + uniform() + uniform() - 3);
}
