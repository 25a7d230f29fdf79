import { type Asset, layerShape, type LayerScheme, type LayerShape, type SchemeOf, tensorShape } from "@kvtuner/plan";
import { hadamardInPlace } from "@kvtuner/quantizers";
import { symmetricEigen } from "@kvtuner/sensitivity";
import type { LayerTrace } from "../tunable-model.ts";
import type { Calibration, CodedLayers, Method } from "./method.ts";

/** Numbers that share a scale and a minimum; a head at most. */
const GROUP_SIZE = 128;
const KEY_CLIP = 0.96;
const VALUE_CLIP = 0.92;

const coded = (headSize: number, transform: string, clip: number): SchemeOf<"affine"> => ({
  kind: "affine",
  bits: 2,
  format: "affine",
  axis: "token",
  groupSize: headSize > GROUP_SIZE ? GROUP_SIZE : "head",
  blockSize: 1,
  transform,
  clip,
  clipRule: "magnitude",
});

/** Sums over tokens for each KV head, `[kvHeads, size, size]`. */
interface Covariances {
  readonly key: Float64Array;
  readonly value: Float64Array;
}

const calibrated = async ({ model, samples }: Calibration): Promise<CodedLayers> => {
  const shapes = Array.from({ length: model.shape.layers }, (_, layer) => layerShape(model.shape, layer));
  const sums = shapes.map((shape): Covariances => ({
    key: new Float64Array(shape.kvHeads * shape.headSize ** 2),
    value: new Float64Array(shape.kvHeads * tensorShape(shape, "value").headSize ** 2),
  }));
  for (const sample of samples)
    await model.trace(sample, (layer, trace) => addCovariances(sums[layer]!, trace, shapes[layer]!));
  const assets = shapes.flatMap((shape, layer) =>
    (["key", "value"] as const).map((tensor): Asset => {
      const { kvHeads, headSize } = tensorShape(shape, tensor);
      return {
        name: `layers.${layer}.${tensor}.rotation`,
        dtype: "float32",
        shape: [kvHeads, headSize, headSize],
        data: rotations(sums[layer]![tensor], headSize),
      };
    }),
  );
  const layers = shapes.map((shape, layer): LayerScheme => ({
    key: coded(shape.headSize, `layers.${layer}.key.rotation`, KEY_CLIP),
    value: coded(tensorShape(shape, "value").headSize, `layers.${layer}.value.rotation`, VALUE_CLIP),
    residency: { kind: "prefix", sinks: 64, recent: 256 },
  }));
  return { layers, assets };
};

/**
 * Keys: the covariance of the queries that read the head. Values: their covariance, each token weighted by the squares of its
 * scores with all queries, `k (Q^T Q) k^T`.
 */
const addCovariances = (sums: Covariances, { query, key, value }: LayerTrace, shape: LayerShape): void => {
  const { queryHeads, kvHeads, headSize } = shape;
  const valueSize = tensorShape(shape, "value").headSize;
  const readers = queryHeads / kvHeads;
  for (let head = 0; head < kvHeads; head++) {
    const queries = new Float64Array(headSize ** 2);
    for (let offset = head * readers * headSize; offset < query.length; offset += queryHeads * headSize)
      for (let reader = 0; reader < readers; reader++)
        addOuter(queries, query, offset + reader * headSize, headSize, 1);
    for (const [index, sum] of queries.entries()) sums.key[head * headSize ** 2 + index]! += sum;
    const values = sums.value.subarray(head * valueSize ** 2, (head + 1) * valueSize ** 2);
    for (let token = 0; token * kvHeads * headSize < key.length; token++) {
      const weight = squaredScores(key, (token * kvHeads + head) * headSize, queries, headSize);
      addOuter(values, value, (token * kvHeads + head) * valueSize, valueSize, weight);
    }
  }
};

const addOuter = (sum: Float64Array, x: Float32Array, offset: number, size: number, weight: number): void => {
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) sum[i * size + j]! += weight * x[offset + i]! * x[offset + j]!;
};

const squaredScores = (key: Float32Array, offset: number, queries: Float64Array, size: number): number => {
  let sum = 0;
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++) sum += key[offset + i]! * queries[i * size + j]! * key[offset + j]!;
  return sum;
};

/** For each KV head the eigenvectors as columns, the largest first, times Hadamard's matrix, in the order of reversed bits. */
const rotations = (covariances: Float64Array, size: number): Float32Array => {
  const all = new Float32Array(covariances.length);
  for (let start = 0; start < all.length; start += size ** 2) {
    const { vectors } = symmetricEigen(covariances.slice(start, start + size ** 2), size);
    const mixed = Float32Array.from(vectors);
    for (let row = 0; row < mixed.length; row += size) hadamardInPlace(mixed, row, size);
    for (let index = 0; index < mixed.length; index++)
      all[start + index] = mixed[index - (index % size) + reversedBits(index % size, size)]!;
  }
  return all;
};

/** The channel itself where the head size is no power of two. */
const reversedBits = (channel: number, size: number): number => {
  const bits = Math.log2(size);
  if (!Number.isInteger(bits)) return channel;
  let reversed = 0;
  for (let bit = 0; bit < bits; bit++) reversed |= ((channel >> bit) & 1) << (bits - 1 - bit);
  return reversed;
};

/** 2 bits after a rotation for each KV head, magnitudes clipped, the first 64 and newest 256 tokens in 16 bits. */
export const oscarMethod: Method = {
  name: "oscar",
  title: "OSCAR",
  source: "https://arxiv.org/abs/2605.17757",
  settings: [{ label: "INT2", codec: "affine", calibrate: calibrated }],
};
