import { type CacheShape, layerScheme } from "@kvtuner/plan";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PARAMETER_BYTES } from "../device/bind-groups.ts";
import type { GpuLimits } from "../device/gpu.ts";
import { inputPlaces, PIECE_TOKENS, pieceTokens } from "../device/workspace.ts";
import { part } from "../kernels/kernel-source.ts";
import { plannedLayer } from "../test-support/planned-layer.ts";
import { attendPiece } from "./attend-piece.ts";
import { attendGroups, type AttendPlan, planPieces } from "./attend-plan.ts";
import type { Work } from "./work.ts";

/** WebGPU's guaranteed limits. */
const LEAST: GpuLimits = { maxBindingBytes: 2 ** 27, maxGroups: 65_535 };

const SCHEMES = [
  layerScheme("per-token", { key: 4, value: 4 }),
  layerScheme("kivi", { key: 2, value: 4 }, { sinks: 4, recent: 300 }),
  layerScheme("compact", { key: 16, value: 3 }),
];

const plansOf = (shape: CacheShape, scheme: number, held: number, tokens: number, limits: GpuLimits): AttendPlan[] => {
  const layer = plannedLayer(shape, SCHEMES[scheme]!, held + tokens, limits.maxBindingBytes);
  layer.length = held;
  return planPieces(layer, layer.length, tokens, limits);
};

/** Bytes of the largest buffer of a plan's kernels, apart from the cache. */
const boundBytes = (shape: CacheShape, { partials, tokens }: AttendPlan, limits: GpuLimits): number => {
  const { queryHeads, kvHeads, headSize } = shape;
  const inputs = inputPlaces(shape, limits).value + pieceTokens(shape, limits) * kvHeads * headSize;
  return 4 * Math.max(inputs, partials * tokens * queryHeads * headSize);
};

/** Workgroups of all dispatches whose number depends on tokens, heads or splits. */
const groupsOf = (shape: CacheShape, { tokens, items }: AttendPlan): number[] => [
  tokens * shape.queryHeads,
  ...items.flatMap((item) => attendGroups(item, tokens, shape)),
];

/** Types of the members of a struct of WGSL. */
const memberTypes = (text: string, struct: string): string[] => {
  const body = text.slice(text.indexOf(`struct ${struct} {`)).split("\n}")[0]!;
  return Array.from(body.matchAll(/^\w+: (.+),$/gm), ([, type]) => type!);
};

/** Parameters of the dispatches of the longest piece, the last of them for reduce.wgsl. */
const longestPieceWords = (): readonly (readonly number[])[] => {
  const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 64 };
  const layer = plannedLayer(shape, SCHEMES[1]!, 1000 + PIECE_TOKENS, LEAST.maxBindingBytes);
  layer.length = 1000;
  const dispatched: (readonly number[])[] = [];
  const run = (_kernel: unknown, _buffers: unknown, words: readonly number[]): void => void dispatched.push(words);
  const engine = { kernel: () => {}, workspace: { get: () => {} }, variant: {}, limits: LEAST };
  const work = { engine, commands: { run }, kernels: {}, layer } as unknown as Work;
  attendPiece(work, planPieces(layer, layer.length, PIECE_TOKENS, LEAST)[0]!);
  return dispatched;
};

const shapes = fc
  .record({
    kvHeads: fc.integer({ min: 1, max: 64 }),
    group: fc.integer({ min: 1, max: 64 }),
    units: fc.integer({ min: 1, max: 16 }),
  })
  .map(({ kvHeads, group, units }) => ({ layers: 1, queryHeads: kvHeads * group, kvHeads, headSize: 16 * units }));

const calls = fc.record({
  shape: shapes,
  scheme: fc.nat(SCHEMES.length - 1),
  held: fc.oneof(fc.nat(5000), fc.nat(2 ** 17)),
  tokens: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 300 })),
  limits: fc.record({
    maxBindingBytes: fc.constantFrom(2 ** 27, 2 ** 28 + 4, 2 ** 31),
    maxGroups: fc.constant(65_535),
  }),
});

describe("pieces of a call", () => {
  it("take all its tokens in order, and no more of the device than it has", () => {
    fc.assert(
      fc.property(calls, ({ shape, scheme, held, tokens, limits }) => {
        const plans = plansOf(shape, scheme, held, tokens, limits);
        const ends = plans.map((plan) => plan.position + plan.tokens);
        expect([held, ...ends]).toEqual([...plans.map(({ position }) => position), held + tokens]);
        // A single token that needs too much is refused when its buffer is created.
        const cuttable = plans.filter((plan) => plan.tokens > 1);
        expect(cuttable.filter((plan) => boundBytes(shape, plan, limits) > limits.maxBindingBytes)).toEqual([]);
        const groups = plans.flatMap((plan) => groupsOf(shape, plan));
        expect(groups.filter((count) => count > limits.maxGroups)).toEqual([]);
      }),
    );
  });

  it.each([
    [128, 1, 256, 32_900],
    [96, 8, 128, 131_072],
    [64, 8, 128, 262_144],
    [256, 64, 128, 32_768],
    [512, 512, 256, 32_768],
    [32, 8, 128, 1_048_576],
  ])("fit %i query heads on %i of %i after %i tokens", (queryHeads, kvHeads, headSize, held) => {
    const shape = { layers: 1, queryHeads, kvHeads, headSize };
    for (const plan of plansOf(shape, 0, held, 128, LEAST))
      expect(boundBytes(shape, plan, LEAST)).toBeLessThanOrEqual(LEAST.maxBindingBytes);
  });

  it("are as long as ever where memory allows", () => {
    const shape = { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 128 };
    expect(plansOf(shape, 0, 32_768, 300, LEAST).map(({ tokens }) => tokens)).toEqual([128, 128, 44]);
  });

  it("of the most tokens fill the parameters of attend.wgsl, which fit in those of a dispatch", () => {
    const types = memberTypes(part("attend"), "Attend");
    expect(types.pop()).toBe(`array<vec4u, ${PIECE_TOKENS / 2}>`);
    const regionWords = memberTypes(part("region"), "Region").length;
    const start = types.reduce((sum, type) => sum + (type === "Region" ? regionWords : 1), 0);
    expect(start % 4, "an array of vec4u starts at a multiple of 16 bytes").toBe(0);
    const attended = longestPieceWords().slice(0, -1);
    expect(new Set(attended.map((words) => words.length))).toEqual(new Set([start + 2 * PIECE_TOKENS]));
    expect(4 * (start + 2 * PIECE_TOKENS)).toBeLessThanOrEqual(PARAMETER_BYTES);
  });
});
