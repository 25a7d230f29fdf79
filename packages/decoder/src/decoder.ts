import type { CacheShape, ModelIdentity } from "@kvtuner/plan";
import { type InferenceSession, Tensor } from "onnxruntime-common";
import { readShape } from "./architecture/attention.ts";
import type { DecoderConfig } from "./architecture/config.ts";
import { familyOf } from "./architecture/families.ts";
import { layerReader } from "./architecture/layer-reader.ts";
import { readConfig } from "./architecture/read-config.ts";
import { readHead, vocabularySize } from "./architecture/read-weights.ts";
import type { WeightSource } from "./architecture/weights.ts";
import { createAttentionKernel, type AttentionKernel } from "./attention/attention-kernel.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { type HoleInputs, holeInputs } from "./hole-inputs.ts";
import { serializeGraph } from "./onnx/graph.ts";
import { positionInputs, readPositions, releasePositions, type RowPositions } from "./row-positions.ts";
import { createDeviceRows, type DeviceRows } from "./segments/device-rows.ts";
import { headPieceCount, headPieces, joinLogits } from "./segments/head-pieces.ts";
import { createLastRow } from "./segments/last-row.ts";
import { segmentGraph, type SegmentWeights } from "./segments/segment-graph.ts";
import type { CreateSession } from "./session.ts";
import { arithmeticOf, storedWeights, type WeightStorage } from "./weight-storage.ts";

/**
 * A decoder split at attention into segments, with a hole between each two. Rows are tokens. Sequences are up to whatever
 * fills the holes.
 */
export interface Decoder {
  readonly config: DecoderConfig;
  readonly shape: CacheShape;
  readonly identity: ModelIdentity;
  readonly vocabularySize: number;
  /** The model's attention in float32, for filling the holes. */
  readonly attention: AttentionKernel;
  /** RoPE tables, one row per position. */
  positions(positions: ArrayLike<number>): RowPositions;
  /** Embeds tokens and runs up to hole 0. */
  first(ids: ArrayLike<number>, positions: RowPositions): Promise<HoleInputs>;
  /** Runs from hole `layer` to hole `layer + 1`. */
  next(layer: number, residual: Tensor, attention: Tensor, positions: RowPositions): Promise<HoleInputs>;
  /** Runs from the last hole to the last residual. */
  last(residual: Tensor, attention: Tensor): Promise<Tensor>;
  /** Logits `[rows, vocabularySize]` of last residuals, on the CPU. */
  head(residual: Tensor): Promise<Tensor>;
  /** Logits `[vocabularySize]` of the last row only. */
  lastLogits(residual: Tensor): Promise<Float32Array>;
  /** Releases all segments. */
  dispose(): Promise<void>;
}

/** Options of {@link loadDecoder}. */
export interface LoadOptions {
  readonly createSession: CreateSession;
  /** `float32` by default. */
  readonly weights?: WeightStorage;
  /** Maximum size in bytes, in float32, of the segments into which the output matrix is split; 1 GiB by default. */
  readonly maxHeadBytes?: number;
  /**
   * Leaves tensors that cross the holes, and the last residuals, in buffers of the device that `createSession` runs on;
   * false by default. Whatever fills the holes must accept them there, as a backend with `capabilities.deviceTensors`
   * does.
   */
  readonly deviceTensors?: boolean;
  /** Called after each segment is built. An exception from it aborts the loading. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly sha256?: string;
}

/**
 * Builds the segments of a model. A failure releases the segments built so far.
 *
 * @throws ModelError when the metadata or a tensor does not fit
 */
export const loadDecoder = async (source: WeightSource, options: LoadOptions): Promise<Decoder> => {
  const sessions: InferenceSession[] = [];
  const createSession: CreateSession = async (model, sessionOptions) => {
    const session = await options.createSession(model, sessionOptions);
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
  const { layers } = config;
  const shape = await readShape(source, config);
  const segments = await buildSegments(source, config, options);
  const attention = await createAttentionKernel(shape, options.createSession);
  const lastRow = await createLastRow(config, options);
  const deviceRows = options.deviceTensors === true ? await createDeviceRows(options.createSession) : undefined;
  const head = async (residual: Tensor): Promise<Tensor> =>
    joinLogits(await logitsOf(segments.slice(layers + 1), residual));
  return {
    config,
    shape,
    identity: identity(config, options.sha256),
    vocabularySize: vocabularySize(source),
    attention,
    positions: await readPositions(source, config),
    first: async (ids, rows) => {
      const hidden = await embedded(source, config, ids);
      const positions = deviceRows ? await movedTo(deviceRows, rows) : rows;
      try {
        const outputs = await segments[0]!.run({ hidden, ...positionInputs(positions, config, 0) });
        return { ...holeInputs(outputs, hidden), ...(deviceRows && { positions }) };
      } catch (error) {
        releasePositions(positions);
        throw error;
      }
    },
    next: async (layer, hidden, attentionOutput, positions) =>
      holeInputs(
        await segments[layer + 1]!.run({
          hidden,
          attention: attentionOutput,
          ...positionInputs(positions, config, layer + 1),
        }),
      ),
    last: async (residual, attentionOutput) =>
      (await segments[layers]!.run({ hidden: residual, attention: attentionOutput }))["residual"]!,
    head,
    lastLogits: async (residual) => {
      const row = await lastRow.of(residual);
      const logits = await head(row);
      if (row !== residual) releaseDeviceTensors(row);
      return logits.data as Float32Array;
    },
    dispose: async () => {
      await Promise.all(segments.map((segment) => segment.release()));
      await attention.dispose();
      await lastRow.dispose();
      await deviceRows?.dispose();
    },
  };
};

/** Embedding rows of tokens, `[ids, hiddenSize]`. */
const embedded = async (
  source: WeightSource,
  { hiddenSize, embeddingScale }: DecoderConfig,
  ids: ArrayLike<number>,
): Promise<Tensor> => {
  const rows = await source.readTensorRows("token_embd.weight", ids);
  if (embeddingScale !== 1) for (let index = 0; index < rows.length; index++) rows[index]! *= embeddingScale;
  return new Tensor("float32", rows, [ids.length, hiddenSize]);
};

const movedTo = async (device: DeviceRows, { tables }: RowPositions): Promise<RowPositions> => {
  const moved = [];
  for (const { cosine, sine } of tables) moved.push({ cosine: await device.of(cosine), sine: await device.of(sine) });
  return { tables: moved };
};

/** In sequence, because each piece uses all threads. */
const logitsOf = async (pieces: readonly InferenceSession[], residual: Tensor): Promise<Tensor[]> => {
  const logits: Tensor[] = [];
  for (const piece of pieces) logits.push((await piece.run({ hidden: residual }))["logits"] as Tensor);
  return logits;
};

const identity = ({ name, architecture }: DecoderConfig, sha256?: string): ModelIdentity => ({
  name,
  architecture,
  ...(sha256 !== undefined && { sha256 }),
});

/** Builds the segments, then the head in pieces; in sequence, so that only one segment's weights are in memory twice. */
const buildSegments = async (
  source: WeightSource,
  config: DecoderConfig,
  options: LoadOptions,
): Promise<InferenceSession[]> => {
  const { maxHeadBytes = 2 ** 30 } = options;
  const arithmetic = arithmeticOf(options.weights ?? "float32");
  const sessions: InferenceSession[] = [];
  const build = async (weights: SegmentWeights, total: number): Promise<void> => {
    const outputLocation = options.deviceTensors === true && !weights.head ? "gpu-buffer" : "cpu";
    const graph = segmentGraph(config, weights, arithmetic);
    sessions.push(await options.createSession(serializeGraph(graph), { outputLocation }));
    options.onProgress?.(sessions.length, total);
  };
  const between = config.layers + 1;
  const pieceCount = headPieceCount(config, vocabularySize(source), maxHeadBytes);
  for (let index = 0; index < between; index++)
    await build(await segmentWeights(source, config, index), between + pieceCount);
  for (const head of headPieces(await readHead(source, config), maxHeadBytes))
    await build({ head }, between + pieceCount);
  return sessions;
};

const segmentWeights = async (source: WeightSource, config: DecoderConfig, index: number): Promise<SegmentWeights> => {
  const { projection, feedForward } = familyOf(config.architecture);
  return {
    ...(index > 0 && { feedForward: await feedForward(layerReader(source, config, index - 1)) }),
    ...(index < config.layers && { projection: await projection(layerReader(source, config, index)) }),
  };
};
