import type { CacheShape, ModelIdentity } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { readShape } from "./architecture/attention.ts";
import type { DecoderConfig } from "./architecture/config.ts";
import { type ConfigOptions, readConfig } from "./architecture/read-config.ts";
import { vocabularySize } from "./architecture/read-weights.ts";
import type { WeightSource } from "./architecture/weights.ts";
import { createAttentionKernel, type AttentionKernel } from "./attention/attention-kernel.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { type HoleInputs, holeInputs } from "./hole-inputs.ts";
import { movedPositions, positionInputs, readPositions, releasePositions, type RowPositions } from "./row-positions.ts";
import { decoderSegments, type SegmentOptions } from "./segments/decoder-segments.ts";
import { createDeviceRows } from "./segments/device-rows.ts";
import { joinLogits } from "./segments/head-pieces.ts";
import { createLastRow } from "./segments/last-row.ts";
import type { SegmentSet } from "./segments/segment-set.ts";
import type { CreateSession } from "./session.ts";
import { storedWeights } from "./weight-storage.ts";

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
export interface LoadOptions extends SegmentOptions, ConfigOptions {
  readonly sha256?: string;
}

/**
 * Builds the segments of a model. A failure releases the segments built so far.
 *
 * @throws ModelError when the metadata or a tensor does not fit
 */
export const loadDecoder = async (source: WeightSource, options: LoadOptions): Promise<Decoder> => {
  const opened: Releasable[] = [];
  const createSession: CreateSession = async (model, sessionOptions) => {
    const session = await options.createSession(model, sessionOptions);
    opened.push(session);
    return session;
  };
  try {
    return await buildDecoder(source, { ...options, createSession }, opened);
  } catch (error) {
    await Promise.allSettled(opened.map(async (session) => session.release()));
    throw error;
  }
};

interface Releasable {
  release(): Promise<void>;
}

const buildDecoder = async (file: WeightSource, options: LoadOptions, opened: Releasable[]): Promise<Decoder> => {
  const source = storedWeights(file, options.weights ?? "float32");
  const config = readConfig(source, options);
  const { layers } = config;
  const shape = await readShape(source, config);
  const segments = await decoderSegments(source, config, options);
  if (options.segmentFiles) opened.push(segments);
  const attention = await createAttentionKernel(shape, options.createSession);
  const lastRow = await createLastRow(config, options);
  const deviceRows = options.deviceTensors === true ? await createDeviceRows(options.createSession) : undefined;
  const head = async (residual: Tensor): Promise<Tensor> => joinLogits(await logitsOf(segments, layers + 1, residual));
  return {
    config,
    shape,
    identity: identity(config, options.sha256),
    vocabularySize: vocabularySize(source),
    attention,
    positions: await readPositions(source, config),
    first: async (ids, rows) => {
      const hidden = await embedded(source, config, ids);
      const positions = deviceRows ? await movedPositions(rows, (tensor) => deviceRows.of(tensor)) : rows;
      try {
        const outputs = await segments.run(0, { hidden, ...positionInputs(positions, config, 0) });
        return { ...holeInputs(outputs, hidden), ...(deviceRows && { positions }) };
      } catch (error) {
        releasePositions(positions);
        throw error;
      }
    },
    next: async (layer, hidden, attentionOutput, positions) =>
      holeInputs(
        await segments.run(layer + 1, {
          hidden,
          attention: attentionOutput,
          ...positionInputs(positions, config, layer + 1),
        }),
      ),
    last: async (residual, attentionOutput) =>
      (await segments.run(layers, { hidden: residual, attention: attentionOutput }))["residual"]!,
    head,
    lastLogits: async (residual) => {
      const row = await lastRow.of(residual);
      const logits = await head(row);
      if (row !== residual) releaseDeviceTensors(row);
      return logits.data as Float32Array;
    },
    dispose: async () => {
      await segments.release();
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

/** Logits of each piece of the head, from a segment on. In sequence, because each piece uses all threads. */
const logitsOf = async (segments: SegmentSet, from: number, hidden: Tensor): Promise<Tensor[]> => {
  const logits: Tensor[] = [];
  for (let piece = from; piece < segments.count; piece++)
    logits.push((await segments.run(piece, { hidden }))["logits"] as Tensor);
  return logits;
};

const identity = ({ name, architecture }: DecoderConfig, sha256?: string): ModelIdentity => ({
  name,
  architecture,
  ...(sha256 !== undefined && { sha256 }),
});
