import { fc, test } from "@fast-check/vitest";
import { type AttentionSpec, plainAttention } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { measureAttentionErrors, measureLayerErrors, meanOverHeads, relativeError } from "./index.ts";
import type { HeadErrors, ReadVersion } from "./index.ts";
import { type LayerInput, SensitivityError } from "./layer-input.ts";

type Measured = LayerInput & { readonly keys: readonly ReadVersion[]; readonly values: readonly ReadVersion[] };

const everything = (): { start: number; end: number } => ({ start: 0, end: Infinity });

const unread = (version: ReadVersion): ReadVersion => ({ ...version, range: () => ({ start: 7, end: 3 }) });

/** One head of one channel, two tokens, one query at the second: small enough to work out by hand. */
const byHand = (): Measured => ({
  query: Float64Array.of(1),
  queryPositions: [1],
  key: Float64Array.of(1, 1),
  value: Float64Array.of(4, 8),
  keys: [
    { id: "exact", hat: Float64Array.of(1, 1), range: everything },
    { id: "coarse", hat: Float64Array.of(1 + Math.log(3), 1), range: everything },
  ],
  values: [
    { id: "exact", hat: Float64Array.of(4, 8), range: everything },
    { id: "coarse", hat: Float64Array.of(4, 12), range: everything },
  ],
  shape: { queryHeads: 1, kvHeads: 1, headSize: 1 },
});

describe("measureLayerErrors", () => {
  it("gives the result worked out by hand", () => {
    const pairs = measureLayerErrors(byHand());
    expect(pairs.map(({ keyId, valueId }) => `${keyId} ${valueId}`)).toEqual([
      "exact exact",
      "exact coarse",
      "coarse exact",
      "coarse coarse",
    ]);
    // Exact weights are 1/2, 1/2 and the output is 6; coarse keys make the weights 3/4, 1/4.
    const expected = [
      { key: 0, value: 0, attention: 0, output: 0 },
      { key: 0, value: 1 / 4, attention: 0, output: 2 / 6 },
      { key: Math.log(3) / 2, value: 0, attention: 1 / 4, output: 1 / 6 },
      { key: Math.log(3) / 2, value: 1 / 4, attention: 1 / 4, output: 0 },
    ];
    for (const [index, { errors }] of pairs.entries()) expectClose(meanOverHeads(errors), expected[index]!);
  });

  it("reads exactly what a version's range leaves out, without diluting its own error", () => {
    const input = byHand();
    const keys = input.keys.map((key) => ({ ...key, range: () => ({ start: 1, end: 2 }) }));
    const [, , , coarse] = measureLayerErrors({ ...input, keys });
    expectClose(meanOverHeads(coarse!.errors), { key: 0, value: 1 / 4, attention: 0, output: 2 / 6 });
    const first = input.keys.map((key) => ({ ...key, range: () => ({ start: 0, end: 1 }) }));
    expect(meanOverHeads(measureLayerErrors({ ...input, keys: first })[2]!.errors).key).toBeCloseTo(Math.log(3), 14);
  });

  it("accepts another scale of scores and another floor", () => {
    const doubled = measureLayerErrors({ ...byHand(), attention: { ...plainAttention(1), scale: 2 } });
    expect(doubled[2]!.errors.attention[0]).toBeCloseTo(0.4, 14);
    const floored = measureLayerErrors({ ...byHand(), relativeFloor: 2 });
    expect(floored[1]!.errors.output[0]).toBeCloseTo(2 / 12, 14);
  });

  test.prop([layers()], { numRuns: 60 })("agrees with a slow version of the definitions", (input) => {
    for (const { keyId, valueId, errors } of measureLayerErrors(input)) {
      const key = input.keys.find(({ id }) => id === keyId)!;
      const value = input.values.find(({ id }) => id === valueId)!;
      for (let head = 0; head < input.shape.kvHeads; head++) {
        expectClose(errorsOfHead(errors, head), naiveErrors(input, key, value, head));
      }
    }
  });

  test.prop([layers()], { numRuns: 40 })("measures each pair independently", (input) => {
    const all = measureLayerErrors(input);
    const alone = input.keys.flatMap((key) =>
      input.values.flatMap((value) => measureLayerErrors({ ...input, keys: [key], values: [value] })),
    );
    expect(alone).toEqual(all);
  });

  test.prop([layers()], { numRuns: 40 })("finds no error where nothing is read quantized", (input) => {
    const zeros = Array.from({ length: input.shape.kvHeads }, () => 0);
    for (const { errors } of measureLayerErrors({
      ...input,
      keys: input.keys.map(unread),
      values: input.values.map(unread),
    })) {
      expect(errors).toEqual({ key: zeros, value: zeros, attention: zeros, output: zeros });
    }
  });

  test.prop([layers()], { numRuns: 40 })("is causal: tokens after the last query do not count", (input) => {
    const width = input.shape.kvHeads * input.shape.headSize;
    const seen = (Math.max(...Array.from(input.queryPositions)) + 1) * width;
    const spoil = <T extends LayerInput["key"]>(array: T): T =>
      array.map((x, index) => (index < seen ? x : 1e3 - x)) as T;
    const spoilHat = (version: ReadVersion): ReadVersion => ({ ...version, hat: spoil(version.hat) });
    const spoiled = {
      ...input,
      key: spoil(input.key),
      value: spoil(input.value),
      keys: input.keys.map(spoilHat),
      values: input.values.map(spoilHat),
    };
    expect(measureLayerErrors(spoiled)).toEqual(measureLayerErrors(input));
  });

  test.prop([layers(), fc.integer({ min: -80, max: 80 }).map((n) => n / 10.1)], { numRuns: 40 })(
    "does not change when all keys shift alike",
    (drawn, shift) => {
      // Caps and sinks make a difference.
      const input = { ...drawn, attention: plainAttention(drawn.shape.headSize) };
      const shifted = input.keys.map((key) => ({
        ...key,
        hat: Float64Array.from(input.key, (x) => x + shift),
        range: everything,
      }));
      for (const { errors } of measureLayerErrors({ ...input, keys: shifted })) {
        for (const error of errors.attention) expect(error).toBeLessThan(1e-12);
      }
    },
  );
});

describe("measureAttentionErrors", () => {
  it("is one pair read quantized from end to end", () => {
    const { keys, values, ...input } = byHand();
    const errors = measureAttentionErrors({ ...input, keyHat: keys[1]!.hat, valueHat: values[0]!.hat });
    expect(errors).toEqual(measureLayerErrors(byHand())[2]!.errors);
  });
});

describe("bad input", () => {
  const code = (change: Partial<Measured>): unknown => {
    try {
      measureLayerErrors({ ...byHand(), ...change });
    } catch (error) {
      return SensitivityError.isInstance(error) ? error.code : error;
    }
    return "accepted";
  };

  it.each<[string, Partial<Measured>]>([
    ["SENSITIVITY_SHAPE", { shape: { queryHeads: 3, kvHeads: 2, headSize: 1 } }],
    ["SENSITIVITY_SHAPE", { shape: { queryHeads: 1, kvHeads: 1, headSize: 0 } }],
    ["SENSITIVITY_LENGTH", { key: new Float64Array(0) }],
    ["SENSITIVITY_LENGTH", { value: Float64Array.of(1) }],
    ["SENSITIVITY_LENGTH", { query: Float64Array.of(1, 2) }],
    ["SENSITIVITY_LENGTH", { query: new Float64Array(0), queryPositions: [] }],
    ["SENSITIVITY_LENGTH", { keys: [{ id: "short", hat: Float64Array.of(1), range: everything }] }],
    ["SENSITIVITY_POSITION", { queryPositions: [2] }],
    ["SENSITIVITY_POSITION", { queryPositions: [0.5] }],
    ["SENSITIVITY_DUPLICATE", { values: [...byHand().values, ...byHand().values] }],
    ["SENSITIVITY_NOT_FINITE", { key: Float64Array.of(Number.NaN, 1) }],
    ["SENSITIVITY_NOT_FINITE", { value: Float64Array.of(4, Infinity) }],
  ])("%s", (expected, change) => {
    expect(code(change)).toBe(expected);
  });
});

/** A layer with grouped heads, several schemes, and ranges with sinks, recent tokens and blocks. */
function layers(): fc.Arbitrary<Measured> {
  const sizes = fc.record({
    tokens: fc.integer({ min: 1, max: 23 }),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 3 }),
    headSize: fc.integer({ min: 1, max: 6 }),
    isDouble: fc.boolean(),
  });
  return sizes.chain(({ tokens, kvHeads, group, headSize, isDouble }) => {
    const array = (length: number): fc.Arbitrary<Float32Array | Float64Array> =>
      fc
        // fc.double draws exponents evenly, so that nearly all numbers would be tiny.
        .array(
          fc.integer({ min: -3000, max: 3000 }).map((n) => n / 1009),
          { minLength: length, maxLength: length },
        )
        .map((numbers) => (isDouble ? Float64Array.from(numbers) : Float32Array.from(numbers)));
    const tensor = array(tokens * kvHeads * headSize);
    const range = fc
      .tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 6 }), fc.integer({ min: 1, max: 5 }))
      .map(([sinks, sample, block]) => (position: number) => ({
        start: sinks,
        end: sinks + block * Math.floor(Math.max(0, position + 1 - sinks - sample) / block),
      }));
    const versions = fc
      .array(fc.record({ hat: tensor, range }), { minLength: 1, maxLength: 3 })
      .map((list) => list.map((version, index) => ({ ...version, id: `scheme ${index}` })));
    return fc
      .uniqueArray(fc.integer({ min: 0, max: tokens - 1 }), { minLength: 1, maxLength: 4 })
      .chain((queryPositions) =>
        fc.record({
          query: array(queryPositions.length * kvHeads * group * headSize),
          queryPositions: fc.constant(Int32Array.from(queryPositions)),
          key: tensor,
          value: tensor,
          keys: versions,
          values: versions,
          shape: fc.constant({ queryHeads: kvHeads * group, kvHeads, headSize }),
          attention: attentions(headSize, kvHeads * group),
        }),
      );
  });
}

/** Plain attention, or with a span, capped scores and sinks. */
function attentions(headSize: number, queryHeads: number): fc.Arbitrary<AttentionSpec> {
  const number = fc.double({ min: 0.25, max: 4, noNaN: true });
  const special = fc.record({
    scale: number,
    mask: fc.integer({ min: 1, max: 6 }).map((span) => ({ kind: "sliding", span }) as const),
    softcap: number,
    sinkLogits: fc.array(number, { minLength: queryHeads, maxLength: queryHeads }),
    keyStage: fc.constant("after-rope" as const),
  });
  return fc.oneof(fc.constant(plainAttention(headSize)), special);
}

type Means = Record<keyof HeadErrors, number>;

function errorsOfHead(errors: HeadErrors, head: number): Means {
  return {
    key: errors.key[head]!,
    value: errors.value[head]!,
    attention: errors.attention[head]!,
    output: errors.output[head]!,
  };
}

function expectClose(actual: Means, expected: Means): void {
  const names = ["key", "value", "attention", "output"] as const;
  const far = names.filter((name) => !(Math.abs(actual[name] - expected[name]) <= 1e-11 * (1 + expected[name])));
  expect({ far, actual, expected }).toEqual({ far: [], actual, expected });
}

function isRead(version: ReadVersion, token: number, position: number): boolean {
  const { start, end } = version.range(position);
  return token >= start && token < end;
}

/** The definitions, one query and token at a time, sharing no code. */
function naiveErrors(input: Measured, key: ReadVersion, value: ReadVersion, kvHead: number): Means {
  const { queryHeads, kvHeads, headSize } = input.shape;
  const { scale, softcap, sinkLogits, mask } = input.attention ?? plainAttention(headSize);
  const span = mask.kind === "sliding" ? mask.span : Infinity;
  const vector = (source: ArrayLike<number>, row: number, heads: number, head: number): number[] =>
    Array.from({ length: headSize }, (_, channel) => source[(row * heads + head) * headSize + channel]!);
  const kv = (source: ArrayLike<number>, token: number): number[] => vector(source, token, kvHeads, kvHead);
  const ownError = (exact: ArrayLike<number>, version: ReadVersion): number => {
    const tokens = Array.from({ length: exact.length / (kvHeads * headSize) }, (_, token) => token);
    const read = tokens.filter((token) =>
      Array.from(input.queryPositions).some(
        (position) => token <= position && token > position - span && isRead(version, token, position),
      ),
    );
    return read.length === 0
      ? 0
      : average(read.map((token) => relativeError(kv(exact, token), kv(version.hat, token))));
  };
  const attention: number[] = [];
  const output: number[] = [];
  for (const [row, position] of Array.from(input.queryPositions).entries()) {
    for (let queryHead = 0; queryHead < queryHeads; queryHead++) {
      if (Math.floor((queryHead * kvHeads) / queryHeads) !== kvHead) continue;
      const seen = Array.from({ length: position + 1 }, (_, token) => token).slice(-span);
      const query = vector(input.query, row, queryHeads, queryHead);
      const weigh = (keyOf: (token: number) => number[]): number[] => {
        const powers = seen.map((token) => {
          const score = scale * dot(query, keyOf(token));
          return Math.exp(softcap === undefined ? score : softcap * Math.tanh(score / softcap));
        });
        const sink = sinkLogits ? Math.exp(sinkLogits[queryHead]!) : 0;
        const total = powers.reduce((sum, power) => sum + power, sink);
        return powers.map((power) => power / total);
      };
      const mix = (weights: number[], valueOf: (token: number) => number[]): number[] =>
        query.map((_, channel) =>
          seen.reduce((sum, token) => sum + weights[seen.indexOf(token)]! * valueOf(token)[channel]!, 0),
        );
      const exactWeights = weigh((token) => kv(input.key, token));
      const weights = weigh((token) => kv(isRead(key, token, position) ? key.hat : input.key, token));
      attention.push(
        average(seen.map((token) => Math.abs(exactWeights[seen.indexOf(token)]! - weights[seen.indexOf(token)]!))),
      );
      output.push(
        relativeError(
          mix(exactWeights, (token) => kv(input.value, token)),
          mix(weights, (token) => kv(isRead(value, token, position) ? value.hat : input.value, token)),
        ),
      );
    }
  }
  return {
    key: ownError(input.key, key),
    value: ownError(input.value, value),
    attention: average(attention),
    output: average(output),
  };
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, index) => sum + x * b[index]!, 0);
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
