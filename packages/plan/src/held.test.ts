import { fc, test } from "@fast-check/vitest";
import { describe, expect, test as example } from "vitest";
import { parsePlan, serializePlan } from "./files.ts";
import {
  type AttentionSpec,
  blockTokens,
  type CacheShape,
  firstHeld,
  heldTokens,
  layerBytes,
  layerScheme,
  layerShape,
  MODES,
  plainAttention,
  planBytes,
  quantizedPrefix,
  shapeDifferences,
  sizesOf,
  storedNumbers,
  trueBits,
} from "./index.ts";

const layer = fc
  .tuple(
    fc.constantFrom(...MODES),
    fc.record({ key: fc.constantFrom(2 as const, 16 as const), value: fc.constantFrom(4 as const, 16 as const) }),
    fc.record({ sinks: fc.nat(9), recent: fc.nat(200) }),
  )
  .map(([mode, pair, residency]) => layerScheme(mode, pair, residency));

const span = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(Infinity));
const length = fc.nat(700);
const tensor = fc.constantFrom("key" as const, "value" as const);

const SHAPE = { queryHeads: 2, kvHeads: 1, headSize: 64 };

const sliding = (tokens: number): AttentionSpec => ({ ...plainAttention(64), mask: { kind: "sliding", span: tokens } });

describe("the tokens that a layer with a span holds", () => {
  test.prop([layer, tensor, span, length])(
    "are those of every block of which a later query reads a token",
    (scheme, which, tokens, held) => {
      const [own, { sinks }] = [scheme[which], scheme.residency];
      const block = blockTokens(own);
      const ends = (token: number): number =>
        token < sinks ? token + 1 : sinks + block * (Math.floor((token - sinks) / block) + 1);
      const isHeld = (token: number): boolean => ends(token) - 1 > held - tokens;
      const isCoded = (token: number): boolean => token >= sinks && token < sinks + quantizedPrefix(own, scheme, held);
      const all = Array.from({ length: held }, (_, token) => token).filter(isHeld);
      expect(heldTokens(own, scheme, tokens, held)).toEqual({
        first: all[0] ?? firstHeld(own, scheme, tokens, held),
        coded: all.filter(isCoded).length,
        exact: all.filter((token) => !isCoded(token)).length,
      });
    },
  );

  test.prop([layer, tensor, span, fc.integer({ min: 1, max: 300 }), length])(
    "begin no earlier at a greater length, and no later with a greater span",
    (scheme, which, tokens, more, held) => {
      const first = (ofSpan: number, at: number): number => firstHeld(scheme[which], scheme, ofSpan, at);
      expect(first(tokens, held + more)).toBeGreaterThanOrEqual(first(tokens, held));
      expect(first(tokens + more, held)).toBeLessThanOrEqual(first(tokens, held));
      expect(first(tokens, held)).toBeLessThanOrEqual(held);
    },
  );

  test.prop([layer, fc.integer({ min: 1, max: 300 }), length])(
    "take no more bytes than all tokens, and never more than the span and a block in 16 bits",
    (scheme, tokens, held) => {
      const { total } = layerBytes(scheme, { ...SHAPE, span: tokens }, held);
      expect(total).toBeLessThanOrEqual(layerBytes(scheme, SHAPE, held).total);
      const most = (block: number): number => 2 * 64 * (tokens - 1 + block - 1);
      expect(total).toBeLessThanOrEqual(most(blockTokens(scheme.key)) + most(blockTokens(scheme.value)));
      expect(layerBytes(scheme, { ...SHAPE, span: held + 1 }, held)).toEqual(layerBytes(scheme, SHAPE, held));
    },
  );

  example("a hand count: kivi K4V2 with span 50 at 200 tokens", () => {
    // The next query reads tokens 151 to 200. Blocks of 32 from 128 on are held; those before 160 are coded.
    expect(layerBytes(layerScheme("kivi", { key: 4, value: 2 }), { ...SHAPE, span: 50 }, 200)).toEqual({
      parts: {
        "key.codes": (32 * 64 * 4) / 8,
        "key.scales": 64 * 2,
        "key.minima": 64 * 2,
        "key.exact": 40 * 64 * 2,
        "value.codes": (32 * 64 * 2) / 8,
        "value.scales": 32 * 2 * 2,
        "value.minima": 32 * 2 * 2,
        "value.exact": 40 * 64 * 2,
      },
      total: 1024 + 256 + 5120 + 512 + 256 + 5120,
    });
  });
});

describe("spans in plans", () => {
  const mixed: CacheShape = {
    layers: 3,
    ...SHAPE,
    perLayer: [{ attention: sliding(20) }, {}, { attention: sliding(40), kvHeads: 2 }],
  };
  const plan = {
    version: 2 as const,
    model: { name: "Mixed", architecture: "llama" },
    shape: mixed,
    layers: Array.from({ length: 3 }, () => layerScheme("kivi", { key: 4, value: 2 })),
  };

  test.prop([length])("a plan file gives the same bytes as the model, and counts a span once it is full", (held) => {
    const read = parsePlan(serializePlan(plan));
    expect(planBytes(read, held)).toEqual(planBytes(plan, held));
    expect(storedNumbers(read.shape, held)).toBe(2 * 64 * (Math.min(held, 19) + held + 2 * Math.min(held, 39)));
  });

  example("values of another size than keys are counted in theirs, also from the file", () => {
    const layers = Array.from({ length: 3 }, () => layerScheme("compact", { key: 4, value: 4 }));
    const read = parsePlan(serializePlan({ ...plan, shape: { ...mixed, valueSize: 128 }, layers }));
    // One token of 128 values: 64 bytes of codes, a scale and a minimum. 150 tokens, 36 of them in 16 bits.
    const { parts } = planBytes({ shape: { ...read.shape, perLayer: [{}, {}, {}] }, layers }, 150);
    expect(parts["value.codes"]).toBe(3 * 114 * 64);
    expect(parts["value.exact"]).toBe(3 * 36 * 128 * 2);
    expect(parts["key.exact"]).toBe(3 * 150 * 64 * 2);
    expect(storedNumbers(read.shape, 10)).toBe(4 * 10 * (64 + 128));
  });

  example("16 bits are 16 true bits", () => {
    const exact = layerScheme("per-token", { key: 16, value: 16 });
    expect(trueBits({ shape: mixed, layers: [exact, exact, exact] }, 1000)).toBe(16);
  });

  example("are recorded for each layer, or once if all are equal, without the rest of attention", () => {
    expect(sizesOf(mixed)).toEqual({ layers: 3, ...SHAPE, perLayer: [{ span: 20 }, {}, { span: 40, kvHeads: 2 }] });
    expect(sizesOf({ layers: 2, ...SHAPE, attention: sliding(20) })).toEqual({ layers: 2, ...SHAPE, span: 20 });
    // A full layer in a model of sliding ones.
    const but = { layers: 2, ...SHAPE, attention: sliding(20), perLayer: [{}, { attention: plainAttention(64) }] };
    expect(sizesOf(but)).toEqual({ layers: 2, ...SHAPE, perLayer: [{ span: 20 }, {}] });
    expect(sizesOf(sizesOf(but))).toEqual(sizesOf(but));
    expect(layerShape(sizesOf(but), 1)).toEqual(SHAPE);
  });

  example("are compared with the model's", () => {
    expect(shapeDifferences(sizesOf(mixed), mixed)).toEqual([]);
    expect(shapeDifferences({ layers: 3, ...SHAPE }, mixed)).toContain(
      "layer 0: span none in the plan, 20 in the model",
    );
  });
});
