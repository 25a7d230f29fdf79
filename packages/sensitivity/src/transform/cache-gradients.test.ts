import { fc, test } from "@fast-check/vitest";
import { type AttentionSpec, scoreOf, spanOf } from "@kvtuner/plan";
import { describe, expect } from "vitest";
import { addCacheGradients, type CacheReader } from "./cache-gradients.ts";

const TOKENS = 7;
const SIZES = { queryHeads: 4, kvHeads: 2, headSize: 3, valueSize: 2 };

describe("addCacheGradients", () => {
  test.prop([attentions(), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 4 }), fc.integer()], {
    numRuns: 40,
  })("is the derivative by what queries read as codes", (attention, sinks, recent, seed) => {
    const next = numbers(seed);
    const filled = (width: number): Float32Array => Float32Array.from({ length: TOKENS * width }, next);
    const reader: CacheReader = {
      query: filled(12),
      key: filled(6),
      value: filled(4),
      shape: { ...SIZES, attention },
    };
    const cotangent = filled(8);
    const found = { key: new Float32Array(reader.key.length), value: new Float32Array(reader.value.length) };
    addCacheGradients(reader, cotangent, { sinks, recent }, found);
    for (const tensor of ["key", "value"] as const)
      for (let index = 0; index < reader[tensor].length; index++) {
        const by = (step: number): number => objective(reader, cotangent, { sinks, recent }, { tensor, index, step });
        expect(found[tensor][index]).toBeCloseTo((by(1e-5) - by(-1e-5)) / 2e-5, 4);
      }
  });
});

/** The inner product of cotangent and output, in double precision, with one coded number moved. */
const objective = (
  { query, key, value, shape }: CacheReader,
  cotangent: Float32Array,
  { sinks, recent }: { readonly sinks: number; readonly recent: number },
  moved: { readonly tensor: "key" | "value"; readonly index: number; readonly step: number },
): number => {
  let total = 0;
  for (let token = 0; token < TOKENS; token++)
    for (let head = 0; head < SIZES.queryHeads; head++) {
      const kvHead = head >> 1;
      const read = (tensor: "key" | "value", other: number, size: number): number[] =>
        Array.from({ length: size }, (_, i) => {
          const index = (other * SIZES.kvHeads + kvHead) * size + i;
          const isMoved = tensor === moved.tensor && index === moved.index && other >= sinks && other <= token - recent;
          return (tensor === "key" ? key : value)[index]! + (isMoved ? moved.step : 0);
        });
      const seen = Array.from({ length: token + 1 }, (_, other) => other).filter(
        (other) => other > token - spanOf(shape.attention),
      );
      const weights = seen.map((other) => {
        const own = read("key", other, 3).map((x, i) => x * query[(token * SIZES.queryHeads + head) * 3 + i]!);
        return Math.exp(
          scoreOf(
            shape.attention,
            own.reduce((sum, x) => sum + x, 0),
          ),
        );
      });
      const sink = shape.attention.sinkLogits?.[head];
      const sum = weights.reduce((all, x) => all + x, sink === undefined ? 0 : Math.exp(sink));
      for (const [place, other] of seen.entries())
        for (const [i, x] of read("value", other, 2).entries())
          total += (weights[place]! / sum) * x * cotangent[(token * SIZES.queryHeads + head) * 2 + i]!;
    }
  return total;
};

function attentions(): fc.Arbitrary<AttentionSpec> {
  return fc
    .record({
      scale: fc.constantFrom(0.3, 1),
      span: fc.constantFrom(3, 5, Infinity),
      softcap: fc.constantFrom(undefined, 1.5),
      sinkLogits: fc.constantFrom(undefined, [0, 1, -1, 0.5]),
    })
    .map(({ scale, span, softcap, sinkLogits }) => ({
      scale,
      mask: span === Infinity ? { kind: "causal" } : { kind: "sliding", span },
      ...(softcap !== undefined && { softcap }),
      ...(sinkLogits && { sinkLogits }),
      keyStage: "after-rope",
    }));
}

/** Pseudorandom numbers between -1 and 1. */
const numbers = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
};
