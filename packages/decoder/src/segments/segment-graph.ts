import type { DecoderConfig } from "../architecture/config.ts";
import type { MixerWeights } from "../architecture/recurrent/mixer-weights.ts";
import type { FeedForwardWeights, HeadWeights, LayerInputWeights, ProjectionWeights } from "../architecture/weights.ts";
import { type DeferredGraph, node, type Port } from "../onnx/graph.ts";
import { feedForward } from "./feed-forward.ts";
import { LAYER_INPUT, layerInputPorts, layerInputs, tokenInputsPort } from "./layer-inputs.ts";
import { type Arithmetic, chain, join, linear, type Part, times } from "./linear.ts";
import { mixerInputs, mixerOutputs } from "./mixers/mixer-ports.ts";
import { mixer } from "./mixers/mixer.ts";
import { norm } from "./norm.ts";
import { positionPorts, projection, projectionPorts } from "./projection.ts";

/** Weights of one segment: those after one layer's attention or mixer, then those before the next or its mixer, or the head. */
export interface SegmentWeights {
  readonly feedForward?: FeedForwardWeights;
  readonly projection?: ProjectionWeights;
  /** In place of a projection, in a recurrent layer. */
  readonly mixer?: MixerWeights;
  /** In the first segment of a model whose layers have embeddings of their own. */
  readonly layerInputs?: LayerInputWeights;
  readonly head?: HeadWeights;
}

/**
 * Graph between two layers' attention or mixers. All tensors but states are float32 `[rows, ...]`, one row per token.
 *
 * Inputs: `hidden`, `attention` with a feed-forward part, `cosine` and `sine` with a projection that has RoPE, the state with a
 * mixer. Outputs: `residual`, `query`, and `key` and `value` unless the layer shares a cache; or the mixer's output and state;
 * or `logits` for the head.
 */
export const segmentGraph = (
  config: DecoderConfig,
  weights: SegmentWeights,
  arithmetic: Arithmetic = "float32",
): DeferredGraph => {
  const residual = weights.feedForward ? "residual" : "hidden";
  const { nodes, constants } = join([
    ...(weights.feedForward ? [feedForward(config, weights.feedForward, arithmetic)] : []),
    ...(weights.projection ? [projection(config, weights.projection, residual, arithmetic)] : []),
    ...(weights.mixer ? [mixer(config, weights.mixer, residual, arithmetic)] : []),
    ...(weights.layerInputs ? [layerInputs(weights.layerInputs, config, arithmetic)] : []),
    ...(weights.head ? [head(config, weights.head, residual, arithmetic)] : []),
  ]);
  return {
    name: "segment",
    inputs: segmentInputs(config, weights),
    outputs: segmentOutputs(config, weights),
    nodes,
    constants,
  };
};

const segmentInputs = (config: DecoderConfig, weights: SegmentWeights): Port[] => {
  const { feedForward: behind, projection: front } = weights;
  const { layerInput } = behind ?? {};
  return [
    { name: "hidden", dims: ["rows", config.hiddenSize] },
    ...(behind ? [{ name: "attention", dims: ["rows", behind.output.columns] }] : []),
    ...(front ? positionPorts(config, front) : []),
    ...(weights.mixer ? mixerInputs(config) : []),
    ...(layerInput ? [{ name: LAYER_INPUT, dims: ["rows", layerInput.gate.rows] }] : []),
    ...(weights.layerInputs ? [tokenInputsPort(weights.layerInputs)] : []),
  ];
};

const segmentOutputs = (config: DecoderConfig, weights: SegmentWeights): Port[] => {
  if (weights.head) return [{ name: "logits", dims: ["rows", weights.head.output.rows] }];
  return [
    ...(weights.feedForward ? [{ name: "residual", dims: ["rows", config.hiddenSize] }] : []),
    ...(weights.projection ? projectionPorts(weights.projection) : []),
    ...(weights.mixer ? mixerOutputs(config, weights.mixer) : []),
    ...(weights.layerInputs ? layerInputPorts(weights.layerInputs) : []),
  ];
};

const head = (config: DecoderConfig, weights: HeadWeights, input: string, arithmetic: Arithmetic): Part => {
  const { logitScale, logitCap } = config;
  return join([
    norm("head_norm", input, "head_input", weights.norm, config),
    chain("logits", [
      (output) => linear("head", "head_input", output, weights.output, arithmetic),
      logitScale === 1 ? undefined : (output, unscaled) => times("logit_scale", unscaled, output, logitScale),
      logitCap === undefined ? undefined : (output, uncapped) => capped(uncapped, output, logitCap),
    ]),
  ]);
};

/** `output = cap * tanh(input / cap)` */
const capped = (input: string, output: string, cap: number): Part =>
  join([
    times("inverse_cap", input, "uncapped", 1 / cap),
    { nodes: [node("Tanh", ["uncapped"], ["capped"])], constants: [] },
    times("cap", "capped", output, cap),
  ]);
