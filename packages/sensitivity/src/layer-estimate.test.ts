import { fc, test } from "@fast-check/vitest";
import { type AttentionSpec, plainAttention } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { createEstimateSum, estimateLayer, meanEstimate, type ReadVersion } from "./index.ts";
import type { CacheReader, EstimateInput } from "./layer-estimate.ts";
import { SensitivityError } from "./layer-input.ts";

const TOKENS = 4;
const VOCABULARY = 3;

/** Labels of all positions: every combination. */
const LABELS = Array.from({ length: VOCABULARY ** TOKENS }, (_, index) =>
  Array.from({ length: TOKENS }, (_token, place) => Math.floor(index / VOCABULARY ** place) % VOCABULARY),
);

/** A layer whose output `o` gives logits `z_s = sum over t <= s of mix[s][t] head tanh(input o_t)`. */
interface TinyModel {
  readonly input: EstimateInput;
  readonly mix: readonly number[][];
  readonly inner: readonly number[][];
  readonly head: readonly number[][];
}

const everything = (): { start: number; end: number } => ({ start: 0, end: Infinity });

describe("estimateLayer", () => {
  test.prop([models()], { numRuns: 40 })("is half the Fisher form of each token, over all labels", (model) => {
    const { input } = model;
    const exact = outputs(input);
    const gradients = LABELS.map((labels) => gradient(model, exact, labels, LABELS.length));
    const reads = [...input.keys.map((key) => [key, undefined]), ...input.values.map((value) => [undefined, value])];
    const { keys, values } = estimateLayer({ ...input, readers: [{ ...input.readers[0]!, gradients }] });
    for (const [index, estimate] of [...keys, ...values].entries()) {
      const [key, value] = reads[index] as [ReadVersion | undefined, ReadVersion | undefined];
      expectNear(mean(estimate.kl), fisherForm(model, exact, outputs(input, key, value)));
    }
  });

  test.prop([models()], { numRuns: 30 })("agrees with whole outputs of a slow attention, also for pairs", (model) => {
    const { input } = model;
    const exact = outputs(input);
    const gradients = LABELS.slice(0, 3).map((labels) => gradient(model, exact, labels, 1));
    const [key, value] = [input.keys.at(-1)!, input.values.at(-1)!];
    const pairs = [{ keyId: key.id, valueId: value.id }];
    const estimate = estimateLayer({ ...input, pairs, readers: [{ ...input.readers[0]!, gradients }] });
    const slow = (...read: [ReadVersion | undefined, ReadVersion | undefined]): ReturnType<typeof estimateSum> =>
      estimateSum([{ exact, output: outputs(input, ...read), gradients }]);
    expectSame(estimate.keys.at(-1)!, slow(key, undefined));
    expectSame(estimate.values.at(-1)!, slow(undefined, value));
    expectSame(estimate.pairs[0]!, slow(key, value));
    const halves = mean(estimate.keys.at(-1)!.kl) + mean(estimate.values.at(-1)!.kl);
    expectNear(estimate.pairs[0]!.additivity * halves, mean(estimate.pairs[0]!.kl));
  });

  test.prop([models()], { numRuns: 30 })("tends to the true KL for a small change of one token's output", (model) => {
    const exact = outputs(model.input);
    const gradients = LABELS.map((labels) => gradient(model, exact, labels, LABELS.length));
    const nudged = (source: ArrayLike<number>, hat: ArrayLike<number>): Float64Array =>
      Float64Array.from(source, (x, index) => x + 1e-4 * (hat[index]! - x));
    const last = (position: number): { start: number; end: number } => ({
      start: 0,
      end: position + 1 === TOKENS ? TOKENS : 0,
    });
    const keys = model.input.keys.map(({ id, hat }) => ({ id, hat: nudged(model.input.key, hat), range: last }));
    const estimates = estimateLayer({
      ...model.input,
      keys,
      readers: [{ ...model.input.readers[0]!, gradients }],
    }).keys;
    for (const [index, { kl }] of estimates.entries()) {
      const real = trueKl(model, exact, outputs(model.input, keys[index]));
      expect(Math.abs(mean(kl) - real)).toBeLessThanOrEqual(1e-3 * real + 1e-15);
    }
  });

  test.prop([models()], { numRuns: 30 })(
    "is 0 without a change, and grows with the square of the values' error",
    (model) => {
      const { input } = model;
      const gradients = [gradient(model, outputs(input), LABELS[5]!, 1)];
      const scaled = (factor: number): Float64Array =>
        Float64Array.from(input.value, (x, index) => x + factor * (input.values[0]!.hat[index]! - x));
      const values = [0, 1, 2].map((factor) => ({ id: `${factor}`, hat: scaled(factor), range: everything }));
      const [none, once, twice] = estimateLayer({
        ...input,
        values,
        readers: [{ ...input.readers[0]!, gradients }],
      }).values;
      expect([none!.kl[0], none!.firstOrder[0], none!.firstOrderAbsolute[0], none!.outputError]).toEqual([0, -0, 0, 0]);
      expectNear(twice!.kl[0]!, 4 * once!.kl[0]!);
      expectNear(twice!.firstOrder[0]!, 2 * once!.firstOrder[0]!);
      expectNear(twice!.firstOrderAbsolute[0]!, 2 * once!.firstOrderAbsolute[0]!);
      expectNear(twice!.outputError, 4 * once!.outputError);
    },
  );

  test.prop([models()], { numRuns: 30 })("adds over tokens, and over readers before it squares", (model) => {
    const { input } = model;
    const [reader] = input.readers;
    const own = { ...reader!, gradients: [gradient(model, outputs(input), LABELS[7]!, 1)] };
    const { hat } = input.values[0]!;
    const values = [0, 1].map((parity) => ({
      id: `${parity}`,
      hat,
      range: (position: number) => ({ start: 0, end: position % 2 === parity ? Infinity : 0 }),
    }));
    const estimated = (readers: readonly CacheReader[]): number[] =>
      estimateLayer({ ...input, readers, values: [...values, { id: "all", hat, range: everything }] }).values.map(
        ({ kl }) => kl[0]!,
      );
    const [even, odd, all] = estimated([own]);
    expectNear(even! + odd!, all!);
    expectNear(estimated([own, own])[2]!, 4 * all!);
    const silent = { ...own, gradients: [own.gradients[0]!.map(() => 0)] };
    expectNear(estimated([own, silent])[2]!, all!);
  });
});

describe("meanEstimate", () => {
  it("takes the larger error, of samples or of draws", () => {
    expect(meanEstimate([[1, 3]])).toEqual({ mean: 2, standardError: 1 });
    expect(
      meanEstimate([
        [1, 3],
        [2, 2],
      ]),
    ).toEqual({ mean: 2, standardError: 0.5 });
    expect(meanEstimate([[1], [5]])).toEqual({ mean: 3, standardError: 2 });
    expect(meanEstimate([[4]])).toEqual({ mean: 4, standardError: Number.NaN });
  });
});

describe("bad input", () => {
  const reader: CacheReader = { query: Float64Array.of(1, 2), gradients: [Float64Array.of(1, 1)], queryHeads: 1 };
  const good: EstimateInput = {
    key: Float64Array.of(1, 1),
    value: Float64Array.of(4, 8),
    shape: { kvHeads: 1, headSize: 1 },
    readers: [reader],
    keys: [{ id: "K", hat: Float64Array.of(1, 2), range: everything }],
    values: [{ id: "V", hat: Float64Array.of(4, 9), range: everything }],
  };

  it.each<[string, Partial<EstimateInput>]>([
    ["SENSITIVITY_GRADIENTS", { readers: [] }],
    ["SENSITIVITY_GRADIENTS", { readers: [{ ...reader, gradients: [] }] }],
    [
      "SENSITIVITY_GRADIENTS",
      { readers: [reader, { ...reader, gradients: [...reader.gradients, ...reader.gradients] }] },
    ],
    ["SENSITIVITY_LENGTH", { readers: [{ ...reader, gradients: [Float64Array.of(1)] }] }],
    ["SENSITIVITY_LENGTH", { readers: [{ ...reader, query: Float64Array.of(1) }] }],
    ["SENSITIVITY_LENGTH", { value: Float64Array.of(1) }],
    ["SENSITIVITY_LENGTH", { keys: [{ id: "K", hat: Float64Array.of(1), range: everything }] }],
    ["SENSITIVITY_SHAPE", { readers: [{ ...reader, queryHeads: 0 }] }],
    ["SENSITIVITY_DUPLICATE", { keys: [...good.keys, ...good.keys] }],
    ["SENSITIVITY_UNKNOWN_CANDIDATE", { pairs: [{ keyId: "K", valueId: "W" }] }],
    ["SENSITIVITY_NOT_FINITE", { value: Float64Array.of(Number.NaN, 8) }],
    ["SENSITIVITY_NOT_FINITE", { readers: [{ ...reader, gradients: [Float64Array.of(1, Infinity)] }] }],
  ])("%s", (expected, change) => {
    let code: unknown = "accepted";
    try {
      estimateLayer({ ...good, ...change });
    } catch (error) {
      code = SensitivityError.isInstance(error) ? error.code : error;
    }
    expect(code).toBe(expected);
  });
});

/** A layer with grouped heads, values of their own size and every attention feature, and a model behind it. */
function models(): fc.Arbitrary<TinyModel> {
  const sizes = fc.record({
    kvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 2 }),
    headSize: fc.integer({ min: 1, max: 3 }),
    valueSize: fc.integer({ min: 1, max: 3 }),
  });
  // Doubles of fast-check are nearly all tiny.
  const number = fc.integer({ min: -1500, max: 1500 }).map((thousandths) => thousandths / 1000);
  const array = (length: number): fc.Arbitrary<Float64Array> =>
    fc.array(number, { minLength: length, maxLength: length }).map((numbers) => Float64Array.from(numbers));
  const matrix = (rows: number, columns: number): fc.Arbitrary<number[][]> =>
    fc.array(fc.array(number, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows });
  return sizes.chain(({ kvHeads, group, headSize, valueSize }) => {
    const queryHeads = kvHeads * group;
    const range = fc
      .tuple(fc.integer({ min: 0, max: 1 }), fc.integer({ min: 0, max: 2 }))
      .map(([sinks, recent]) => (position: number) => ({ start: sinks, end: position + 1 - recent }));
    const versions = (length: number): fc.Arbitrary<ReadVersion[]> =>
      fc
        .array(fc.record({ hat: array(length), range }), { minLength: 1, maxLength: 2 })
        .map((list) => list.map((version, index) => ({ ...version, id: `scheme ${index}` })));
    const reader = fc.record({
      query: array(TOKENS * queryHeads * headSize),
      queryHeads: fc.constant(queryHeads),
      gradients: fc.constant([]),
      attention: attentions(headSize, queryHeads),
    });
    const input = fc.record({
      key: array(TOKENS * kvHeads * headSize),
      value: array(TOKENS * kvHeads * valueSize),
      shape: fc.constant({ kvHeads, headSize, valueSize }),
      readers: reader.map((own) => [own]),
      keys: versions(TOKENS * kvHeads * headSize),
      values: versions(TOKENS * kvHeads * valueSize),
    });
    return fc.record({
      input,
      mix: matrix(TOKENS, TOKENS),
      inner: matrix(2, queryHeads * valueSize),
      head: matrix(VOCABULARY, 2),
    });
  });
}

function attentions(headSize: number, queryHeads: number): fc.Arbitrary<AttentionSpec> {
  const number = fc.integer({ min: 250, max: 2000 }).map((thousandths) => thousandths / 1000);
  const special = fc.record({
    scale: number,
    mask: fc.integer({ min: 1, max: 3 }).map((span) => ({ kind: "sliding", span }) as const),
    softcap: number,
    sinkLogits: fc.array(number, { minLength: queryHeads, maxLength: queryHeads }),
    keyStage: fc.constant("after-rope" as const),
  });
  return fc.oneof(fc.constant(plainAttention(headSize)), special);
}

/** Attention outputs `[tokens, queryHeads * valueSize]` by the definition, one number at a time. */
function outputs(
  { key, value, shape, readers }: EstimateInput,
  keyRead?: ReadVersion,
  valueRead?: ReadVersion,
): Float64Array {
  const { kvHeads, headSize, valueSize = headSize } = shape;
  const { query, queryHeads, attention = plainAttention(headSize) } = readers[0]!;
  const { scale, softcap, sinkLogits, mask } = attention;
  const source = (
    exact: ArrayLike<number>,
    version: ReadVersion | undefined,
    token: number,
    position: number,
  ): ArrayLike<number> => {
    const { start, end } = version?.range(position) ?? { start: 0, end: 0 };
    return token >= start && token < end ? version!.hat : exact;
  };
  const output = new Float64Array(TOKENS * queryHeads * valueSize);
  for (let position = 0; position < TOKENS; position++) {
    for (let head = 0; head < queryHeads; head++) {
      const own = Math.floor((head * kvHeads) / queryHeads);
      const seen = [0, 1, 2, 3].filter(
        (token) => token <= position && (mask.kind === "causal" || token > position - mask.span),
      );
      const powers = seen.map((token) => {
        const keys = source(key, keyRead, token, position);
        let score = 0;
        for (let channel = 0; channel < headSize; channel++) {
          score +=
            query[(position * queryHeads + head) * headSize + channel]! *
            keys[(token * kvHeads + own) * headSize + channel]!;
        }
        return Math.exp(softcap === undefined ? scale * score : softcap * Math.tanh((scale * score) / softcap));
      });
      const total = powers.reduce((sum, power) => sum + power, sinkLogits ? Math.exp(sinkLogits[head]!) : 0);
      for (let channel = 0; channel < valueSize; channel++) {
        output[(position * queryHeads + head) * valueSize + channel] = seen.reduce(
          (sum, token, index) =>
            sum +
            (powers[index]! / total) *
              source(value, valueRead, token, position)[(token * kvHeads + own) * valueSize + channel]!,
          0,
        );
      }
    }
  }
  return output;
}

/** `tanh(inner o_t)` of a token. */
function hidden({ inner }: TinyModel, output: Float64Array, token: number): number[] {
  const size = output.length / TOKENS;
  return inner.map((row) =>
    Math.tanh(row.reduce((sum, weight, channel) => sum + weight * output[token * size + channel]!, 0)),
  );
}

function probabilities(model: TinyModel, output: Float64Array): number[][] {
  return model.mix.map((row, position) => {
    const mixed = [0, 1].map((unit) =>
      row.slice(0, position + 1).reduce((sum, weight, token) => sum + weight * hidden(model, output, token)[unit]!, 0),
    );
    const powers = model.head.map((weights) => Math.exp(weights[0]! * mixed[0]! + weights[1]! * mixed[1]!));
    return powers.map((power) => power / powers.reduce((sum, each) => sum + each, 0));
  });
}

/** Change of the logits at a position by a change of the output at a token, for output channel `channel`. */
function jacobian(
  model: TinyModel,
  output: Float64Array,
  position: number,
  token: number,
  label: number,
  channel: number,
): number {
  const own = hidden(model, output, token);
  return [0, 1].reduce(
    (sum, unit) =>
      sum +
      model.mix[position]![token]! * model.head[label]![unit]! * (1 - own[unit]! ** 2) * model.inner[unit]![channel]!,
    0,
  );
}

/**
 * Gradient of the labels' log-likelihood, times the root of their probability times `draws`: a mean over all labels is then the
 * expectation. With one draw, not weighted.
 */
function gradient(model: TinyModel, output: Float64Array, labels: readonly number[], draws: number): Float64Array {
  const predicted = probabilities(model, output);
  const likelihood = labels.reduce((product, label, position) => product * predicted[position]![label]!, 1);
  const weight = draws === 1 ? 1 : Math.sqrt(likelihood * draws);
  const size = output.length / TOKENS;
  return output.map((_, index) => {
    const [token, channel] = [Math.floor(index / size), index % size];
    let sum = 0;
    for (let position = token; position < TOKENS; position++) {
      for (let label = 0; label < VOCABULARY; label++) {
        const cotangent = Number(label === labels[position]) - predicted[position]![label]!;
        sum += cotangent * jacobian(model, output, position, token, label, channel);
      }
    }
    return weight * sum;
  });
}

/** Half the quadratic form of the Fisher matrix in the change of each token's output, summed over tokens, a token. */
function fisherForm(model: TinyModel, exact: Float64Array, output: Float64Array): number {
  const predicted = probabilities(model, exact);
  const size = exact.length / TOKENS;
  let form = 0;
  for (let token = 0; token < TOKENS; token++) {
    for (let position = token; position < TOKENS; position++) {
      const change = predicted[0]!.map((_, label) => {
        let sum = 0;
        for (let channel = 0; channel < size; channel++) {
          const difference = output[token * size + channel]! - exact[token * size + channel]!;
          sum += difference * jacobian(model, exact, position, token, label, channel);
        }
        return sum;
      });
      const expected = change.reduce((sum, each, label) => sum + predicted[position]![label]! * each, 0);
      form += change.reduce((sum, each, label) => sum + predicted[position]![label]! * (each - expected) ** 2, 0);
    }
  }
  return form / (2 * TOKENS);
}

function trueKl(model: TinyModel, exact: Float64Array, output: Float64Array): number {
  const [base, other] = [probabilities(model, exact), probabilities(model, output)];
  return mean(
    base.map((row, position) => {
      // KL without cancellation: the sum of p (r - 1 - log r), with r the ratio of probabilities.
      return row.reduce((sum, p, label) => {
        const excess = (other[position]![label]! - p) / p;
        return sum + p * (excess - Math.log1p(excess));
      }, 0);
    }),
  );
}

function estimateSum(
  readers: readonly { exact: Float64Array; output: Float64Array; gradients: Float64Array[] }[],
): ReturnType<ReturnType<typeof createEstimateSum>["result"]> {
  const sum = createEstimateSum(TOKENS, readers[0]!.gradients.length);
  for (const reader of readers) sum.add(reader);
  return sum.result();
}

function expectSame(one: ReturnType<typeof estimateSum>, other: ReturnType<typeof estimateSum>): void {
  for (const name of ["kl", "firstOrder", "firstOrderAbsolute"] as const) {
    for (const [draw, value] of one[name].entries()) expectNear(value, other[name][draw]!);
  }
  expectNear(one.outputError, other.outputError);
}

function expectNear(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected) + 1e-15);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
