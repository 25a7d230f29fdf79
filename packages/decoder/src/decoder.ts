import { type CacheShape, holesOf, type ModelIdentity } from "@kvtuner/plan";
import { type InferenceSession, Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "./architecture/config.ts";
import { type AttentionKernel, createAttentionKernel } from "./attention/attention-kernel.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { type HoleArrays, type HoleInputs, holeInputs, tensorsOver } from "./hole-inputs.ts";
import { movedPositions, releasePositions, type RowPositions } from "./row-positions.ts";
import { createDeviceRows, type DeviceRows } from "./segments/device-rows.ts";
import { setColumns } from "./segments/head-pieces.ts";
import { createLastRow, type LastRow } from "./segments/last-row.ts";
import type { SegmentSet } from "./segments/segment-set.ts";
import type { CreateSession } from "./session.ts";

/** What a decoder's users need to know of its model besides the shape of its cache. */
export type DecoderSizes = Pick<DecoderConfig, "name" | "architecture" | "hiddenSize" | "contextLength">;

/**
 * A decoder split at attention into segments, with a hole between each two. Rows are tokens. Sequences are up to whatever
 * fills the holes.
 */
export interface Decoder {
  readonly config: DecoderSizes;
  readonly shape: CacheShape;
  readonly identity: ModelIdentity;
  readonly vocabularySize: number;
  /** The model's attention in float32, for filling the holes. */
  readonly attention: AttentionKernel;
  /**
   * RoPE tables, one row per position.
   *
   * @throws ModelError `MODEL_ROPE_CONTEXT` for a position beyond the context that the RoPE factors were chosen for
   */
  positions(positions: ArrayLike<number>): RowPositions;
  /** Embeds tokens and runs up to hole 0. */
  first(ids: ArrayLike<number>, positions: RowPositions): Promise<HoleInputs>;
  /**
   * Runs from one hole to the next. Holes are counted among all layers that attend, also those that share a cache.
   *
   * @param into arrays that may be written to and become the tensors' data; new ones by default. Arrays that are used again
   *   keep garbage from piling up.
   */
  next(
    hole: number,
    residual: Tensor,
    attention: Tensor,
    positions: RowPositions,
    into?: HoleArrays,
  ): Promise<HoleInputs>;
  /** Runs from the last hole to the last residual, whose data may be `into`. */
  last(residual: Tensor, attention: Tensor, into?: Float32Array): Promise<Tensor>;
  /** Logits `[rows, vocabularySize]` of last residuals, on the CPU. Their data is `into` if given. */
  head(residual: Tensor, into?: Float32Array): Promise<Tensor>;
  /** Logits `[vocabularySize]` of the last row only. */
  lastLogits(residual: Tensor): Promise<Float32Array>;
  /** Releases all segments. */
  dispose(): Promise<void>;
}

/** What a decoder is made of, whatever file it comes from. */
export interface DecoderParts {
  readonly config: DecoderSizes;
  readonly shape: CacheShape;
  readonly identity: ModelIdentity;
  readonly vocabularySize: number;
  /** One before each hole, one after the last, then the head in pieces. */
  readonly segments: SegmentSet;
  /** Positions of rows, on the CPU. */
  readonly positions: (positions: ArrayLike<number>) => RowPositions;
  /** Inputs of the first segment: `hidden`, or what it embeds itself. */
  readonly embed: (ids: ArrayLike<number>) => Promise<InferenceSession.FeedsType>;
  /** What a segment reads of the positions. */
  readonly positionInputs: (positions: RowPositions, segment: number) => InferenceSession.FeedsType;
}

/** Options of the decoder's own graphs. */
export interface AssembleOptions {
  readonly createSession: CreateSession;
  /** As in `LoadOptions`. */
  readonly deviceTensors?: boolean;
}

/** Makes a decoder, which then owns the segments. */
export const assembleDecoder = async (parts: DecoderParts, options: AssembleOptions): Promise<Decoder> => {
  const attention = await createAttentionKernel(parts.shape, options.createSession);
  const lastRow = await createLastRow(parts.config, options);
  const deviceRows = options.deviceTensors === true ? await createDeviceRows(options.createSession) : undefined;
  return decoderOf(parts, { attention, lastRow, deviceRows });
};

interface OwnGraphs {
  readonly attention: AttentionKernel;
  readonly lastRow: LastRow;
  readonly deviceRows: DeviceRows | undefined;
}

const decoderOf = (parts: DecoderParts, { attention, lastRow, deviceRows }: OwnGraphs): Decoder => {
  const { config, shape, identity, vocabularySize, segments, positions, positionInputs } = parts;
  const holes = holesOf(shape).length;
  const head: Decoder["head"] = async (residual, into = new Float32Array(residual.dims[0]! * vocabularySize)) => {
    const logits = new Tensor("float32", into, [residual.dims[0]!, vocabularySize]);
    await runHead(segments, holes + 1, residual, logits);
    return logits;
  };
  return {
    config,
    shape,
    identity,
    vocabularySize,
    attention,
    positions,
    first: async (ids, rows) => {
      const embedded = await parts.embed(ids);
      const kept = deviceRows ? await movedPositions(rows, (tensor) => deviceRows.of(tensor)) : rows;
      try {
        const outputs = await segments.run(0, { ...embedded, ...positionInputs(kept, 0) });
        return { ...holeInputs(outputs, embedded["hidden"]), ...(deviceRows && { positions: kept }) };
      } catch (error) {
        releasePositions(kept);
        throw error;
      }
    },
    next: async (hole, hidden, attentionOutput, rows, into) =>
      holeInputs(
        await segments.run(
          hole + 1,
          { hidden, attention: attentionOutput, ...positionInputs(rows, hole + 1) },
          into && tensorsOver(into, hidden.dims[0]!),
        ),
      ),
    last: async (hidden, attentionOutput, into) => {
      const targets = into && tensorsOver({ residual: into }, hidden.dims[0]!);
      return (await segments.run(holes, { hidden, attention: attentionOutput }, targets))["residual"]!;
    },
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

/** Runs the pieces of the head, from a segment on. In sequence, because each piece uses all threads. */
const runHead = async (segments: SegmentSet, from: number, hidden: Tensor, logits: Tensor): Promise<void> => {
  const targets = segments.count === from + 1 ? { logits } : undefined;
  let column = 0;
  for (let piece = from; piece < segments.count; piece++) {
    const part = (await segments.run(piece, { hidden }, targets))["logits"]!;
    if (part !== logits) setColumns(logits, part, column);
    column += part.dims.at(-1)!;
  }
};
