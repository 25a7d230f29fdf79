import { layerShape } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { ChannelDistribution, LayerDistribution } from "../architecture/layer-distribution.ts";
import type { Decoder } from "../decoder.ts";
import { seededRandom } from "../generation/sample-token.ts";
import type { HoleInputs } from "../hole-inputs.ts";

/** Most rows at position 0; the second half are the first ones negated, so that means are those of biases. */
const MOST_ROWS = 256;
/** The first rows again, at position 1. */
const TURNED_ROWS = 16;
/** Residuals so large that what a feed-forward network adds to them does not count; their squares fit float32. */
const RESIDUAL_SCALE = 1000;
/** Standard errors up to which a mean may be chance. */
const CHANCE = 4;
/** Change from position 0 to 1, as part of the largest number, up to which there is no RoPE. */
const LEAST_TURN = 1e-2;

/**
 * What `readDistributions` predicts, of a model whose weights have no known names: its segments compute queries and keys of
 * random tokens, then of residuals that are independent and normal. Head norms are applied already. Angles of RoPE are those
 * between positions 0 and 1. Runs one segment at a time. For models in which every layer has a cache of its own.
 */
export const measureDistributions = async (decoder: Decoder): Promise<LayerDistribution[]> => {
  const random = seededRandom(1);
  // RoPE inside an operator takes no more rows than its table has.
  const rows = 2 * Math.floor((Math.min(MOST_ROWS + TURNED_ROWS, decoder.config.contextLength) - TURNED_ROWS) / 2);
  const layers: LayerDistribution[] = [];
  for (let layer = 0; layer < decoder.shape.layers; layer++) {
    const { query, key } = await holeAt(decoder, layer, rows, random);
    layers.push(distributionOf(sampleOf(query), sampleOf(key!), layerShape(decoder.shape, layer).headSize));
  }
  return layers;
};

const holeAt = async (decoder: Decoder, layer: number, rows: number, random: () => number): Promise<HoleInputs> => {
  const all = rows + TURNED_ROWS;
  const positions = decoder.positions(Array.from({ length: all }, (_, row) => (row < rows ? 0 : 1)));
  if (layer === 0) {
    const ids = Array.from({ length: rows }, () => Math.floor(random() * decoder.vocabularySize));
    return decoder.first([...ids, ...ids.slice(0, TURNED_ROWS)], positions);
  }
  const { hiddenSize } = decoder.config;
  const { queryHeads, headSize, valueSize = headSize } = layerShape(decoder.shape, layer - 1);
  const width = queryHeads * valueSize;
  const residual = new Tensor("float32", residuals(rows, hiddenSize, random), [all, hiddenSize]);
  const attention = new Tensor("float32", new Float32Array(all * width), [all, width]);
  return decoder.next(layer - 1, residual, attention, positions);
};

const residuals = (rows: number, hiddenSize: number, random: () => number): Float32Array => {
  const half = (rows / 2) * hiddenSize;
  const numbers = new Float32Array((rows + TURNED_ROWS) * hiddenSize);
  for (let at = 0; at < half; at++) {
    const length = Math.sqrt(-2 * Math.log(1 - random()));
    numbers[at] = RESIDUAL_SCALE * length * Math.cos(2 * Math.PI * random());
    numbers[half + at] = -numbers[at]!;
  }
  return numbers.copyWithin(2 * half, 0, TURNED_ROWS * hiddenSize);
};

/** Queries or keys: some rows at position 0, then the first of them at position 1. */
interface Sample {
  readonly numbers: Float32Array;
  readonly rows: number;
  /** Numbers of a row. */
  readonly width: number;
}

const sampleOf = ({ data, dims }: Tensor): Sample => ({
  numbers: data as Float32Array,
  rows: dims[0]! - TURNED_ROWS,
  width: dims[1]!,
});

const distributionOf = (query: Sample, key: Sample, headSize: number): LayerDistribution => {
  if (!isTurned(key)) return { query: channelsOf(query), key: channelsOf(key) };
  const distance = pairDistance(key, headSize);
  const areNeighbours = distance === 1;
  const [queries, keys] = areNeighbours ? [inHalves(query, headSize), inHalves(key, headSize)] : [query, key];
  return {
    query: channelsOf(queries),
    key: channelsOf(keys),
    ropeFrequencies: anglesOf(keys, headSize, areNeighbours ? headSize / 2 : distance),
  };
};

const channelsOf = ({ numbers, rows, width }: Sample): ChannelDistribution => {
  const [mean, deviation] = [new Float32Array(width), new Float32Array(width)];
  for (let channel = 0; channel < width; channel++) {
    const values = Array.from({ length: rows }, (_, row) => numbers[row * width + channel]!);
    const average = values.reduce((sum, x) => sum + x, 0) / rows;
    const spread = Math.sqrt(values.reduce((sum, x) => sum + (x - average) ** 2, 0) / rows);
    mean[channel] = Math.abs(average) > (CHANCE * spread) / Math.sqrt(rows) ? average : 0;
    deviation[channel] = spread;
  }
  return { mean, deviation };
};

const isTurned = ({ numbers, rows, width }: Sample): boolean => {
  let [largest, change] = [0, 0];
  for (let at = 0; at < TURNED_ROWS * width; at++) {
    largest = Math.max(largest, Math.abs(numbers[at]!));
    change = Math.max(change, Math.abs(numbers[rows * width + at]! - numbers[at]!));
  }
  return change > LEAST_TURN * largest;
};

type PairNumbers = readonly [first: number, second: number];

/** Calls `visit` with the numbers of two channels of each head at positions 0 and 1. */
const visitPairs = (
  { numbers, rows, width }: Sample,
  headSize: number,
  [first, second]: PairNumbers,
  visit: (before: PairNumbers, after: PairNumbers) => void,
): void => {
  const pairAt = (start: number): PairNumbers => [numbers[start + first]!, numbers[start + second]!];
  for (let row = 0; row < TURNED_ROWS; row++)
    for (let head = 0; head < width; head += headSize)
      visit(pairAt(row * width + head), pairAt((rows + row) * width + head));
};

/** Distance between the channels of a pair: the one at which rotation keeps the length of the first pair. */
const pairDistance = (sample: Sample, headSize: number): number => {
  let [best, least] = [1, Infinity];
  for (let distance = 1; distance <= headSize / 2; distance++) {
    let change = 0;
    visitPairs(sample, headSize, [0, distance], (before, after) => {
      change += Math.abs(Math.hypot(...after) - Math.hypot(...before));
    });
    if (change < least) [best, least] = [distance, change];
  }
  return best;
};

const anglesOf = (sample: Sample, headSize: number, pairs: number): Float64Array =>
  Float64Array.from({ length: pairs }, (_, pair) => {
    let [sine, cosine] = [0, 0];
    visitPairs(sample, headSize, [pair, pair + pairs], ([x, y], [turnedX, turnedY]) => {
      sine += x * turnedY - y * turnedX;
      cosine += x * turnedX + y * turnedY;
    });
    return Math.atan2(sine, cosine);
  });

/** Brings the channels of each head from pairs of neighbours into two halves. */
const inHalves = (sample: Sample, headSize: number): Sample => {
  const half = headSize / 2;
  const numbers = sample.numbers.map((_, at) => {
    const channel = at % headSize;
    return sample.numbers[at - channel + (channel < half ? 2 * channel : 2 * (channel - half) + 1)]!;
  });
  return { ...sample, numbers };
};
