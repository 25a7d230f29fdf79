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
 * Writes the derivative of the summed log-likelihood of labels with respect to the logits; zeros at positions without labels.
 */
export type LabelCotangent = (rows: LabelledRows) => void;

/** What {@link predictedLabels} draws. */
export interface PredictedLabels {
  readonly vocabulary: number;
  /** 32-bit integer. */
  readonly seed: number;
  /** Whether a position of a text gets labels; all do by default. */
  readonly counts?: ((text: number, position: number) => boolean) | undefined;
}

/**
 * Labels as the model predicts them. With probabilities `p` and a random sign `s` for each token, the cotangent of a position is
 * `sqrt(p) s - p * sum(sqrt(p) s)`: the gradients of all labels, each at random sign and weighted by the root of its
 * probability. Its mean outer product is the Fisher matrix `diag(p) - p p'`, as that of one label sampled from `p` is. But rare labels take part in
 * every draw, not rarely and then at full size, so a few draws are enough.
 *
 * The same seed gives the same cotangents, however a text is cut into rows; the rows of a text must come in order.
 */
export const predictedLabels = ({ vocabulary, seed, counts = () => true }: PredictedLabels): LabelCotangent => {
  const generators = new Map<string, () => number>();
  const signsOf = (text: number, draw: number): (() => number) => {
    const key = `${text} ${draw}`;
    const own = generators.get(key) ?? signs((seed + Math.imul(text, 0x9e3779b1) + Math.imul(draw, 0x85ebca6b)) | 0);
    generators.set(key, own);
    return own;
  };
  return (rows) =>
    writeRows(rows, vocabulary, (position, draw, probabilities, target) => {
      if (!counts(rows.text, position)) return;
      const sign = signsOf(rows.text, draw);
      let sum = 0;
      for (let id = 0; id < vocabulary; id++) sum += target[id] = sign() * Math.sqrt(probabilities[id]!);
      for (let id = 0; id < vocabulary; id++) target[id] = target[id]! - sum * probabilities[id]!;
    });
};

/** Random signs, 1 or -1. Each number of the generator gives 32. */
const signs = (seed: number): (() => number) => {
  const random = seededRandom(seed);
  let [bits, left] = [0, 0];
  return () => {
    if (left === 0) [bits, left] = [Math.floor(random() * 2 ** 32) | 0, 32];
    const sign = bits < 0 ? -1 : 1;
    bits <<= 1;
    left--;
    return sign;
  };
};

/** Given labels, such as the tokens that really follow: `onehot(label) - p`, or zeros where there is none. One draw. */
export const givenLabels =
  (vocabulary: number, labelOf: (text: number, position: number) => number | undefined): LabelCotangent =>
  (rows) =>
    writeRows(rows, vocabulary, (position, _, probabilities, target) => {
      const label = labelOf(rows.text, position);
      if (label === undefined) return;
      for (let id = 0; id < vocabulary; id++) target[id] = Number(id === label) - probabilities[id]!;
    });

const writeRows = (
  { first, logits, cotangent }: LabelledRows,
  vocabulary: number,
  write: (position: number, draw: number, probabilities: Float64Array, target: Float32Array) => void,
): void => {
  const rows = logits.length / vocabulary;
  const draws = cotangent.length / logits.length;
  const probabilities = new Float64Array(vocabulary);
  for (let row = 0; row < rows; row++) {
    softmax(logits.subarray(row * vocabulary, (row + 1) * vocabulary), probabilities);
    for (let draw = 0; draw < draws; draw++) {
      const start = (draw * rows + row) * vocabulary;
      write(first + row, draw, probabilities, cotangent.subarray(start, start + vocabulary));
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
