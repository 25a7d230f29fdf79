import { seededRandom } from "@kvtuner/decoder";

/** Some rows of logits of one text, whose cotangents are wanted. */
export interface LabelledRows {
  /** Index of the text. */
  readonly text: number;
  /** Position of the first row in its text. */
  readonly first: number;
  /** `[rows, vocabulary]` */
  readonly logits: Float32Array;
  /** `[draws, rows, vocabulary]`, zeros. */
  readonly cotangent: Float32Array;
}

/**
 * Writes the derivative of the summed log-likelihood of labels with respect to the logits: `onehot(label) - softmax(logits)` at each
 * position that has a label, zeros elsewhere.
 */
export type LabelCotangent = (rows: LabelledRows) => void;

/** What {@link sampledLabels} draws. */
export interface SampledLabels {
  readonly vocabulary: number;
  /** 32-bit integer. */
  readonly seed: number;
  /** Whether a position of a text gets labels; all do by default. */
  readonly counts?: ((text: number, position: number) => boolean) | undefined;
}

/**
 * Labels drawn from the model's own predictions. The same seed gives the same labels, however a text is cut into rows; the rows of
 * a text must come in order.
 */
export const sampledLabels = ({ vocabulary, seed, counts = () => true }: SampledLabels): LabelCotangent => {
  const generators = new Map<string, () => number>();
  const uniform = (text: number, draw: number): number => {
    const key = `${text} ${draw}`;
    const own =
      generators.get(key) ?? seededRandom((seed + Math.imul(text, 0x9e3779b1) + Math.imul(draw, 0x85ebca6b)) | 0);
    generators.set(key, own);
    return own();
  };
  return (rows) =>
    writeRows(rows, vocabulary, (position, draw, probabilities) =>
      counts(rows.text, position) ? drawn(probabilities, uniform(rows.text, draw)) : undefined,
    );
};

/** Given labels, such as the tokens that really follow; undefined for none. One draw. */
export const givenLabels =
  (vocabulary: number, labelOf: (text: number, position: number) => number | undefined): LabelCotangent =>
  (rows) =>
    writeRows(rows, vocabulary, (position) => labelOf(rows.text, position));

const writeRows = (
  { first, logits, cotangent }: LabelledRows,
  vocabulary: number,
  labelOf: (position: number, draw: number, probabilities: Float64Array) => number | undefined,
): void => {
  const rows = logits.length / vocabulary;
  const draws = cotangent.length / logits.length;
  const probabilities = new Float64Array(vocabulary);
  for (let row = 0; row < rows; row++) {
    softmax(logits.subarray(row * vocabulary, (row + 1) * vocabulary), probabilities);
    for (let draw = 0; draw < draws; draw++) {
      const label = labelOf(first + row, draw, probabilities);
      if (label === undefined) continue;
      const start = (draw * rows + row) * vocabulary;
      for (let id = 0; id < vocabulary; id++) cotangent[start + id] = Number(id === label) - probabilities[id]!;
    }
  }
};

const softmax = (logits: Float32Array, probabilities: Float64Array): void => {
  let largest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) largest = Math.max(largest, logits[id]!);
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += probabilities[id] = Math.exp(logits[id]! - largest);
  for (let id = 0; id < logits.length; id++) probabilities[id] = probabilities[id]! / sum;
};

/** The token at which the cumulated probability passes `uniform`, a number in [0, 1). */
const drawn = (probabilities: Float64Array, uniform: number): number => {
  let left = uniform;
  let last = 0;
  for (let id = 0; id < probabilities.length; id++) {
    if (probabilities[id] === 0) continue;
    last = id;
    left -= probabilities[id]!;
    if (left < 0) break;
  }
  return last;
};
