import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { additivity, createEstimateSum, meanEstimate } from "./index.ts";

const TOKENS = 4;
const VOCABULARY = 3;

/** Labels of all positions: every combination. */
const LABELS = Array.from({ length: VOCABULARY ** TOKENS }, (_, index) =>
  Array.from({ length: TOKENS }, (_token, place) => Math.floor(index / VOCABULARY ** place) % VOCABULARY),
);

/**
 * A model whose attention output `o`, exact or with a candidate's cache, gives logits
 * `z_s = sum over t <= s of mix[s][t] head tanh(inner o_t)`.
 */
interface TinyModel {
  readonly exact: Float64Array;
  readonly output: Float64Array;
  readonly mix: readonly number[][];
  readonly inner: readonly number[][];
  readonly head: readonly number[][];
}

describe("createEstimateSum", () => {
  test.prop([models()], { numRuns: 40 })("is half the Fisher form of each token, over all labels", (model) => {
    const { exact, output } = model;
    const gradients = LABELS.map((labels) => gradient(model, exact, labels, LABELS.length));
    expectNear(mean(estimateSum([{ exact, output, gradients }]).kl), fisherForm(model, exact, output));
  });

  test.prop([models()], { numRuns: 30 })("tends to the true KL for a small change of one token's output", (model) => {
    const { exact } = model;
    const gradients = LABELS.map((labels) => gradient(model, exact, labels, LABELS.length));
    const nudged = changed(model, (token) => (token === TOKENS - 1 ? 1e-4 : 0));
    const { kl } = estimateSum([{ exact, output: nudged, gradients }]);
    const real = trueKl(model, exact, nudged);
    expect(Math.abs(mean(kl) - real)).toBeLessThanOrEqual(1e-3 * real + 1e-15);
  });

  test.prop([models()], { numRuns: 30 })("is 0 without a change, and grows with the square of the error", (model) => {
    const { exact } = model;
    const gradients = [gradient(model, exact, LABELS[5]!, 1)];
    const [none, once, twice] = [0, 1, 2].map((factor) =>
      estimateSum([{ exact, output: changed(model, () => factor), gradients }]),
    );
    expect([none!.kl[0], none!.firstOrder[0], none!.firstOrderAbsolute[0], none!.outputError]).toEqual([0, -0, 0, 0]);
    expectNear(twice!.kl[0]!, 4 * once!.kl[0]!);
    expectNear(twice!.firstOrder[0]!, 2 * once!.firstOrder[0]!);
    expectNear(twice!.firstOrderAbsolute[0]!, 2 * once!.firstOrderAbsolute[0]!);
    expectNear(twice!.outputError, 4 * once!.outputError);
  });

  test.prop([models()], { numRuns: 30 })("adds over tokens, and over readers before it squares", (model) => {
    const { exact, output } = model;
    const gradients = [gradient(model, exact, LABELS[7]!, 1)];
    const estimated = (...readers: Parameters<typeof estimateSum>[0]): number => estimateSum(readers).kl[0]!;
    const own = { exact, output, gradients };
    const [even, odd] = [0, 1].map((parity) =>
      estimated({ ...own, output: changed(model, (token) => Number(token % 2 === parity)) }),
    );
    expectNear(even! + odd!, estimated(own));
    expectNear(estimated(own, own), 4 * estimated(own));
    expectNear(estimated(own, { ...own, gradients: [gradients[0]!.map(() => 0)] }), estimated(own));
  });

  test.prop([models()], { numRuns: 10 })("averages over the labelled positions", (model) => {
    const { exact, output } = model;
    const gradients = [gradient(model, exact, LABELS[7]!, 1)];
    const sum = createEstimateSum(TOKENS, 1, 1);
    sum.add({ exact, output, gradients });
    expectNear(sum.result().kl[0]!, TOKENS * estimateSum([{ exact, output, gradients }]).kl[0]!);
  });
});

test("additivity is that of means over draws, and 1 where nothing changes", () => {
  expect(additivity({ kl: [2, 4] }, { kl: [1, 1] }, { kl: [3, 5] })).toBe(6 / 10);
  expect(additivity({ kl: [0] }, { kl: [0] }, { kl: [0] })).toBe(1);
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

/** Random outputs of a layer, and a model behind it. */
function models(): fc.Arbitrary<TinyModel> {
  // Doubles of fast-check are nearly all tiny.
  const number = fc.integer({ min: -1500, max: 1500 }).map((thousandths) => thousandths / 1000);
  const array = (length: number): fc.Arbitrary<number[]> => fc.array(number, { minLength: length, maxLength: length });
  const matrix = (rows: number, columns: number): fc.Arbitrary<number[][]> =>
    fc.array(array(columns), { minLength: rows, maxLength: rows });
  return fc.integer({ min: 1, max: 6 }).chain((size) => {
    const outputs = array(TOKENS * size).map((numbers) => Float64Array.from(numbers));
    return fc.record({
      exact: outputs,
      output: outputs,
      mix: matrix(TOKENS, TOKENS),
      inner: matrix(2, size),
      head: matrix(VOCABULARY, 2),
    });
  });
}

/** The exact output, moved by a factor of the candidate's error at each token. */
function changed({ exact, output }: TinyModel, factorOf: (token: number) => number): Float64Array {
  const size = exact.length / TOKENS;
  return exact.map((x, index) => x + factorOf(Math.floor(index / size)) * (output[index]! - x));
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

function expectNear(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected) + 1e-15);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
