import type { CacheShape, ModelIdentity } from "@kvtuner/plan";
import { type InferenceSession, Tensor } from "onnxruntime-common";
import { createAttentionKernel, type AttentionKernel } from "./attention/attention-kernel.ts";
import { type DecoderConfig, readConfig } from "./architecture/config.ts";
import { ropeTable } from "./architecture/rope.ts";
import {
  readFeedForward,
  readHead,
  readProjection,
  vocabularySize,
  type WeightSource,
} from "./architecture/weights.ts";
import { serializeGraph } from "./onnx/graph.ts";
import { segmentGraph, type SegmentWeights } from "./segments/segment-graph.ts";
import type { CreateSession } from "./session.ts";
import { arithmeticOf, storedWeights, type WeightStorage } from "./weight-storage.ts";

/** What crosses a hole: the residual stream and the layer's query, key and value, all float32 `[rows, ...]`. */
export interface HoleInputs {
  readonly residual: Tensor;
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/** RoPE cosines and sines of the rows under way, each float32 `[rows, ropeDimensions / 2]`. */
export interface RowPositions {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

/** A decoder cut at attention: weight segments with a hole between each two. Rows are tokens; sequences are the filler's affair. */
export interface Decoder {
  readonly config: DecoderConfig;
  readonly shape: CacheShape;
  readonly identity: ModelIdentity;
  readonly vocabularySize: number;
  /** Plain float32 attention, for whoever fills the holes with it. */
  readonly attention: AttentionKernel;
  /** RoPE tables of some positions, one row each. */
  positions(positions: ArrayLike<number>): RowPositions;
  /** Embeds tokens and runs up to hole 0. */
  first(ids: ArrayLike<number>, positions: RowPositions): Promise<HoleInputs>;
  /** From behind hole `layer` to hole `layer + 1`. */
  next(layer: number, residual: Tensor, attention: Tensor, positions: RowPositions): Promise<HoleInputs>;
  /** From behind the last hole to the last residual. */
  last(residual: Tensor, attention: Tensor): Promise<Tensor>;
  /** Logits `[rows, vocabularySize]` of last residuals. */
  head(residual: Tensor): Promise<Tensor>;
  /** Gives all segments back. */
  dispose(): Promise<void>;
}

/** Options of {@link loadDecoder}. */
export interface LoadOptions {
  readonly createSession: CreateSession;
  /** `float32` by default. */
  readonly weights?: WeightStorage;
  /** Called after each segment is built; what it throws ends the loading. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly sha256?: string;
}

/**
 * Builds the segments of a model.
 *
 * When that fails, the segments built until then are given back.
 *
 * @throws ModelError when the metadata or a tensor does not fit
 */
export const loadDecoder = async (source: WeightSource, options: LoadOptions): Promise<Decoder> => {
  const sessions: InferenceSession[] = [];
  const createSession: CreateSession = async (model) => {
    const session = await options.createSession(model);
    sessions.push(session);
    return session;
  };
  try {
    return await buildDecoder(source, { ...options, createSession });
  } catch (error) {
    await Promise.allSettled(sessions.map(async (session) => session.release()));
    throw error;
  }
};

const buildDecoder = async (file: WeightSource, options: LoadOptions): Promise<Decoder> => {
  const source = storedWeights(file, options.weights ?? "float32");
  const config = readConfig(source);
  const { layers, queryHeads, kvHeads, headSize } = config;
  const shape: CacheShape = { layers, queryHeads, kvHeads, headSize };
  const segments = await buildSegments(source, config, options);
  const attention = await createAttentionKernel(shape, options.createSession);
  const frequencyFactors = source.tensors.has("rope_freqs.weight")
    ? await source.readTensor("rope_freqs.weight")
    : undefined;
  return {
    config,
    shape,
    identity: identity(config, options.sha256),
    vocabularySize: vocabularySize(source),
    attention,
    positions: (positions) => {
      const { cosine, sine } = ropeTable(config, positions, frequencyFactors);
      const dims = [positions.length, config.ropeDimensions / 2];
      return { cosine: new Tensor("float32", cosine, dims), sine: new Tensor("float32", sine, dims) };
    },
    first: async (ids, positions) => {
      const residual = new Tensor("float32", await source.readTensorRows("token_embd.weight", ids), [
        ids.length,
        config.hiddenSize,
      ]);
      return holeInputs(await segments[0]!.run({ hidden: residual, ...positions }), residual);
    },
    next: async (layer, residual, attentionOutput, positions) =>
      holeInputs(await segments[layer + 1]!.run({ hidden: residual, attention: attentionOutput, ...positions })),
    last: async (residual, attentionOutput) =>
      (await segments[layers]!.run({ hidden: residual, attention: attentionOutput }))["residual"]!,
    head: async (residual) => (await segments[layers + 1]!.run({ hidden: residual }))["logits"]!,
    dispose: async () => {
      await Promise.all(segments.map((segment) => segment.release()));
      await attention.dispose();
    },
  };
};

const identity = ({ name, architecture }: DecoderConfig, sha256?: string): ModelIdentity => ({
  name,
  architecture,
  ...(sha256 !== undefined && { sha256 }),
});

const holeInputs = (outputs: InferenceSession.OnnxValueMapType, residual?: Tensor): HoleInputs => ({
  residual: residual ?? (outputs["residual"] as Tensor),
  query: outputs["query"] as Tensor,
  key: outputs["key"] as Tensor,
  value: outputs["value"] as Tensor,
});

/** One at a time, so that no more than one segment's weights are held twice. */
const buildSegments = async (
  source: WeightSource,
  config: DecoderConfig,
  options: LoadOptions,
): Promise<InferenceSession[]> => {
  const total = config.layers + 2;
  const arithmetic = arithmeticOf(options.weights ?? "float32");
  const sessions: InferenceSession[] = [];
  for (let index = 0; index < total; index++) {
    const weights = await segmentWeights(source, config, index);
    sessions.push(await options.createSession(serializeGraph(segmentGraph(config, weights, arithmetic))));
    options.onProgress?.(index + 1, total);
  }
  return sessions;
};

const segmentWeights = async (source: WeightSource, config: DecoderConfig, index: number): Promise<SegmentWeights> => {
  if (index === config.layers + 1) return { head: await readHead(source, config) };
  return {
    ...(index > 0 && { feedForward: await readFeedForward(source, config, index - 1) }),
    ...(index < config.layers && { projection: await readProjection(source, config, index) }),
  };
};
