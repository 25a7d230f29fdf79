import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { givenLabels, type LabelCotangent, sampledLabels } from "./labels.ts";

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

test.prop([rowsArbitrary, fc.integer(), fc.integer({ min: 1, max: 6 })], { numRuns: 40 })(
  "each is one label minus the probabilities, however rows are cut, and zero where none counts",
  (rows, seed, piece) => {
    const logits = Float32Array.from(rows.flat());
    const counts = (text: number, position: number): boolean => text === 3 && position % 2 === 0;
    const labels = (): LabelCotangent => sampledLabels({ vocabulary: VOCABULARY, seed, counts });
    const whole = cotangents(labels(), logits, 2, rows.length);
    expect(cotangents(labels(), logits, 2, piece)).toEqual(whole);
    for (const draw of whole)
      for (const [position, found] of draw.entries()) {
        if (!counts(3, position)) expect(found).toEqual([0, 0, 0, 0, 0]);
        else {
          const label = found.map((value, id) => value + softmax(rows[position]!)[id]!);
          expect(label.map((value) => Math.abs(Math.round(value))).toSorted((a, b) => a - b)).toEqual([0, 0, 0, 0, 1]);
          for (const value of label) expect(Math.abs(value - Math.round(value))).toBeLessThan(1e-6);
        }
      }
  },
);

test("labels follow the probabilities, and draws, texts and seeds differ", () => {
  const row = [0, 1, 2, -1, -Infinity];
  const many = Float32Array.from({ length: 4000 }, (_, index) => row[index % VOCABULARY]!);
  const labelsOf = (seed: number): number[][] =>
    cotangents(sampledLabels({ vocabulary: VOCABULARY, seed }), many, 2, 100).map((draw) =>
      draw.map((found) => found.findIndex((value) => value > 0)),
    );
  const [first, second] = labelsOf(1);
  const expected = softmax(row);
  for (const [id, probability] of expected.entries()) {
    const share = first!.filter((label) => label === id).length / first!.length;
    expect(Math.abs(share - probability)).toBeLessThan(0.06);
  }
  expect(first).not.toContain(4);
  expect(second).not.toEqual(first);
  expect(labelsOf(2)[0]).not.toEqual(first);
  expect(labelsOf(1)).toEqual([first, second]);
});

test("given labels are written as they are", () => {
  const labels = givenLabels(VOCABULARY, (text, position) => (position === 1 ? text : undefined));
  const [[none, one]] = cotangents(labels, new Float32Array(2 * VOCABULARY), 1, 2) as [[number[], number[]]];
  expect(none).toEqual([0, 0, 0, 0, 0]);
  expect(one.map((value) => value.toFixed(2))).toEqual(["-0.20", "-0.20", "-0.20", "0.80", "-0.20"]);
});
