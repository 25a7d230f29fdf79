import type { DecoderConfig } from "../architecture/config.ts";
import type { Linear, ProjectionWeights } from "../architecture/weights.ts";
import { integers, node, type Port } from "../onnx/graph.ts";
import { type Arithmetic, chain, join, linear, type Part, stepName } from "./linear.ts";
import { groupNorm, norm } from "./norm.ts";

/** Inputs of a projection that depends on positions. */
export const positionPorts = ({ temperature }: DecoderConfig, { ropeDimensions }: ProjectionWeights): Port[] => [
  ...(ropeDimensions === 0 ? [] : POSITIONS.map((name) => ({ name, dims: ["rows", ropeDimensions / 2] }))),
  ...(temperature ? [{ name: "query_factor", dims: ["rows", 1] }] : []),
];

const POSITIONS = ["cosine", "sine"] as const;

/** Outputs of a projection. */
export const projectionPorts = ({ query, key, value }: ProjectionWeights): Port[] =>
  Object.entries({ query, key, value }).flatMap(([name, matrix]) =>
    matrix ? [{ name, dims: ["rows", matrix.rows] }] : [],
  );

/** Query, key and value of a layer, or only the query of one that shares a cache, from the residuals `input`. */
export const projection = (
  config: DecoderConfig,
  weights: ProjectionWeights,
  input: string,
  arithmetic: Arithmetic,
): Part => {
  const normed = weights.norm ? "attention_input" : input;
  const value = weights.value ? [valueOf(normed, config, weights, weights.value, arithmetic)] : [];
  // The value then comes from the key's product, which has to stand before it.
  const isKeyValue = weights.value === weights.key;
  return join([
    ...(weights.norm ? [norm("attention_norm", input, normed, weights.norm, config)] : []),
    ...(isKeyValue ? [] : value),
    ...(weights.ropeDimensions > 0 ? [BATCHED_POSITIONS] : []),
    headsOf("query", normed, weights.query, config, weights, arithmetic),
    ...(weights.key ? [headsOf("key", normed, weights.key, config, weights, arithmetic)] : []),
    ...(isKeyValue ? value : []),
  ]);
};

/** The product, or the key's product if the matrix is the same, then normed if the layer does. */
const valueOf = (
  from: string,
  config: DecoderConfig,
  { key, valueNorm }: ProjectionWeights,
  matrix: Linear,
  arithmetic: Arithmetic,
): Part => {
  const product = matrix === key ? stepName("key", 0) : undefined;
  return chain("value", [
    product === undefined ? (output) => linear("value", from, output, matrix, arithmetic) : undefined,
    valueNorm && ((output, input) => groupNorm("value_norm", product ?? input, output, valueNorm, matrix.rows, config)),
  ]);
};

/** RotaryEmbedding wants a batch. */
const BATCHED_POSITIONS: Part = {
  nodes: POSITIONS.map((name) => node("Unsqueeze", [name, "batch_axis"], [`${name}_batch`])),
  constants: [integers("batch_axis", [0])],
};

/**
 * The product, normed if the layer does, then rotated if it does, then queries by their temperature if the model has one. The
 * last step writes `name`.
 */
const headsOf = (
  name: "query" | "key",
  from: string,
  matrix: Linear,
  config: DecoderConfig,
  weights: ProjectionWeights,
  arithmetic: Arithmetic,
): Part => {
  const { [`${name}Norm` as const]: weight, ropeDimensions } = weights;
  return chain(name, [
    (output) => linear(name, from, output, matrix, arithmetic),
    weight && ((output, input) => groupNorm(`${name}_norm`, input, output, weight, matrix.rows, config)),
    ropeDimensions > 0 ? (output, input) => rope(name, input, output, matrix.rows, weights) : undefined,
    name === "query" && config.temperature ? (output, input) => product(input, "query_factor", output) : undefined,
  ]);
};

const product = (input: string, factor: string, output: string): Part => ({
  nodes: [node("Mul", [input, factor], [output])],
  constants: [],
});

const rope = (
  name: string,
  input: string,
  output: string,
  width: number,
  { ropeDimensions: dimensions, headSize }: ProjectionWeights,
): Part => ({
  nodes: [
    node("Unsqueeze", [input, "batch_axis"], [`${name}_batch`]),
    node("RotaryEmbedding", [`${name}_batch`, "cosine_batch", "sine_batch"], [`${name}_turned`], {
      num_heads: width / headSize,
      ...(dimensions < headSize && { rotary_embedding_dim: dimensions }),
    }),
    node("Squeeze", [`${name}_turned`, "batch_axis"], [output]),
  ],
  constants: [],
});
