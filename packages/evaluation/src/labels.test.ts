import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { givenLabels, type LabelCotangent, predictedLabels } from "./labels.ts";

const VOCABULARY = 5;

/** Cotangents `[draws, rows, vocabulary]` of one text whose rows come in pieces of a size. */
const cotangents = (labels: LabelCotangent, logits: Float32Array, draws: number, piece: number): number[][][] => {
  const rows = logits.length / VOCABULARY;
  const result: number[][][] = Array.from({ length: draws }, () => []);
  for (let first = 0; first < rows; first += piece) {
    const part = logits.subarray(first * VOCABULARY, (first + piece) * VOCABULARY);
    const cotangent = new Float32Array(draws * part.length);
    labels({ text: 3, first, logits: part, cotangent });
    for (let start = 0; start < cotangent.length; start += VOCABULARY)
      result[Math.floor(start / part.length)]!.push([...cotangent.subarray(start, start + VOCABULARY)]);
  }
  return result;
};

const softmax = (logits: readonly number[]): number[] => {
  const powers = logits.map(Math.exp);
  return powers.map((power) => power / powers.reduce((sum, each) => sum + each, 0));
};

const rowsArbitrary = fc
  .array(fc.array(fc.integer({ min: -40, max: 40 }), { minLength: VOCABULARY, maxLength: VOCABULARY }), {
    minLength: 1,
    maxLength: 6,
  })
  .map((rows) => rows.map((row) => row.map((tenths) => tenths / 10)));

/** Cotangents of one position for every combination of signs. */
const combinations = (probabilities: readonly number[]): number[][] =>
  Array.from({ length: 2 ** VOCABULARY }, (_, index) => {
    const signed = probabilities.map((p, id) => ((index >> id) % 2 === 0 ? 1 : -1) * Math.sqrt(p));
    const sum = signed.reduce((total, value) => total + value, 0);
    return signed.map((value, id) => value - sum * probabilities[id]!);
  });

const distance = (one: readonly number[], other: readonly number[]): number =>
  Math.max(...one.map((value, id) => Math.abs(value - other[id]!)));

test.prop([rowsArbitrary, fc.integer(), fc.integer({ min: 1, max: 6 })], { numRuns: 30 })(
  "each is a combination of signs, however rows are cut, and zero where none counts",
  (rows, seed, piece) => {
    const logits = Float32Array.from(rows.flat());
    const counts = (text: number, position: number): boolean => text === 3 && position % 2 === 0;
    const labels = (): LabelCotangent => predictedLabels({ vocabulary: VOCABULARY, seed, counts });
    const whole = cotangents(labels(), logits, 2, rows.length);
    expect(cotangents(labels(), logits, 2, piece)).toEqual(whole);
    for (const draw of whole)
      for (const [position, found] of draw.entries()) {
        const possible = counts(3, position) ? combinations(softmax(rows[position]!)) : [[0, 0, 0, 0, 0]];
        expect(Math.min(...possible.map((one) => distance(one, found)))).toBeLessThan(1e-6);
      }
  },
);

test("the mean outer product is the Fisher matrix, and draws, texts and seeds differ", () => {
  const row = [0, 1, 2, -1, -Infinity];
  const many = Float32Array.from({ length: 20_000 }, (_, index) => row[index % VOCABULARY]!);
  const drawn = (seed: number): number[][][] =>
    cotangents(predictedLabels({ vocabulary: VOCABULARY, seed }), many, 2, 100);
  const [first, second] = drawn(1);
  const p = softmax(row);
  for (const [a, pa] of p.entries())
    for (const [b, pb] of p.entries()) {
      const mean = first!.reduce((sum, one) => sum + one[a]! * one[b]!, 0) / first!.length;
      expect(Math.abs(mean - (Number(a === b) * pa - pa * pb))).toBeLessThan(0.02);
    }
  expect(second).not.toEqual(first);
  expect(drawn(2)[0]).not.toEqual(first);
  expect(drawn(1)).toEqual([first, second]);
});

test("given labels are written as they are", () => {
  const labels = givenLabels(VOCABULARY, (text, position) => (position === 1 ? text : undefined));
  const [[none, one]] = cotangents(labels, new Float32Array(2 * VOCABULARY), 1, 2) as [[number[], number[]]];
  expect(none).toEqual([0, 0, 0, 0, 0]);
  expect(one.map((value) => value.toFixed(2))).toEqual(["-0.20", "-0.20", "-0.20", "0.80", "-0.20"]);
});
