import { type CacheShape, type ModelIdentity, modelLayers } from "@kvtuner/plan";
import { type InferenceSession, Tensor } from "onnxruntime-common";
import type { DecoderConfig, RecurrentConfig } from "./architecture/config.ts";
import { type AttentionKernel, createAttentionKernel } from "./attention/attention-kernel.ts";
import { releaseDeviceTensors } from "./device-tensor.ts";
import { type HoleArrays, type HoleInputs, holeInputs, tensorsOver } from "./hole-inputs.ts";
import { type LayerStates, RecurrentState } from "./recurrent-state.ts";
import { movedPositions, releasePositions, type RowPositions, withLayerInputs } from "./row-positions.ts";
import type { Tensors } from "./run-into.ts";
import { createDeviceRows, type DeviceRows } from "./segments/device-rows.ts";
import { setColumns } from "./segments/head-pieces.ts";
import { createLastRow, type LastRow } from "./segments/last-row.ts";
import { MIXED } from "./segments/mixers/mixer-ports.ts";
import type { SegmentModel } from "./segments/segment-files.ts";
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
  /**
   * A state of zeros of its recurrent layers, for one sequence; of a model without such layers, one that holds nothing.
   *
   * @param length tokens that the state counts as seen; 0 by default, other numbers for measuring speed
   */
  createState(length?: number): RecurrentState;
  /**
   * Embeds tokens and runs up to hole 0.
   *
   * @param states of recurrent layers, which change; here and below, by default those at the start of one sequence
   */
  first(ids: ArrayLike<number>, positions: RowPositions, states?: LayerStates): Promise<HoleInputs>;
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
    states?: LayerStates,
  ): Promise<HoleInputs>;
  /** Runs from the last hole to the last residual, whose data may be `into`. */
  last(
    residual: Tensor,
    attention: Tensor,
    positions: RowPositions,
    into?: Float32Array,
    states?: LayerStates,
  ): Promise<Tensor>;
  /** Logits `[rows, vocabularySize]` of last residuals, on the CPU. Their data is `into` if given. */
  head(residual: Tensor, into?: Float32Array): Promise<Tensor>;
  /** Logits `[vocabularySize]` of the last row only. */
  lastLogits(residual: Tensor): Promise<Float32Array>;
  /** The segments themselves, for {@link backward}. */
  readonly segments: DecoderSegments;
  /** Releases all segments. */
  dispose(): Promise<void>;
}

/** Segments as models. */
export interface DecoderSegments {
  /** Pieces of the head, one after another. */
  readonly headPieces: number;
  /** The segment before a layer of the model, or after the last one. */
  before(layer: number): Promise<SegmentModel>;
  /** Runs the segment before a layer of the model, or after the last one. */
  run(layer: number, feeds: InferenceSession.FeedsType): Promise<Tensors>;
  /** One piece of the head. */
  head(piece: number): Promise<SegmentModel>;
  /** Inputs of the segment before a layer that depend on positions. */
  positionInputs(positions: RowPositions, layer: number): InferenceSession.FeedsType;
}

/** What a decoder is made of, whatever file it comes from. */
export interface DecoderParts {
  readonly config: DecoderSizes;
  readonly shape: CacheShape;
  readonly identity: ModelIdentity;
  readonly vocabularySize: number;
  /** One before each layer's attention or mixer, one after the last, then the head in pieces. */
  readonly segments: SegmentSet;
  /** Layers without attention; absent if all attend. */
  readonly recurrentLayers?: RecurrentConfig;
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
  const holes = modelLayers(shape);
  const layers = holes.length + (shape.recurrent?.length ?? 0);
  const createState = (length = 0): RecurrentState => new RecurrentState(parts.recurrentLayers, length);
  /** Runs segments `from` up to `to` with the states of the layers between. Releases what only they read. */
  const through = async (
    [from, to]: readonly [from: number, to: number],
    feeds: InferenceSession.FeedsType,
    inputsOf: (segment: number) => InferenceSession.FeedsType,
    states: LayerStates,
    targets?: Tensors,
  ): Promise<{ readonly outputs: Tensors; readonly residual: Tensor | undefined }> => {
    let residual: Tensor | undefined = feeds["hidden"];
    let crossing = feeds;
    for (let index = from; ; index++) {
      const all = { ...crossing, ...inputsOf(index), ...(index < to && states.past(index)) };
      const outputs = await segments.run(index, all, index === to ? targets : undefined).finally(() => {
        if (index > from) releaseDeviceTensors(...Object.values(crossing));
      });
      residual = outputs["residual"] ?? residual;
      if (index === to) return { outputs, residual };
      states.keep(index, outputs);
      crossing = { hidden: residual!, attention: outputs[MIXED]! };
    }
  };
  const head: Decoder["head"] = async (residual, into = new Float32Array(residual.dims[0]! * vocabularySize)) => {
    const logits = new Tensor("float32", into, [residual.dims[0]!, vocabularySize]);
    await runHead(segments, layers + 1, residual, logits);
    return logits;
  };
  return {
    segments: {
      headPieces: segments.count - layers - 1,
      before: async (layer) => segments.model(layer),
      run: async (layer, feeds) => segments.run(layer, feeds),
      head: async (piece) => segments.model(layers + 1 + piece),
      positionInputs,
    },
    config,
    shape,
    identity,
    vocabularySize,
    attention,
    positions,
    createState,
    first: async (ids, rows, states = createState()) => {
      const embedded = await parts.embed(ids);
      const kept = deviceRows ? await movedPositions(rows, (tensor) => deviceRows.of(tensor)) : rows;
      try {
        const inputsOf = (segment: number): InferenceSession.FeedsType => positionInputs(kept, segment);
        const { outputs, residual } = await through([0, holes[0]!], embedded, inputsOf, states);
        const forLater = withLayerInputs(kept, outputs);
        return { ...holeInputs(outputs, residual), ...(forLater !== rows && { positions: forLater }) };
      } catch (error) {
        releasePositions(kept);
        throw error;
      }
    },
    next: async (hole, hidden, attentionOutput, rows, into, states = createState()) => {
      const { outputs } = await through(
        [holes[hole]! + 1, holes[hole + 1]!],
        { hidden, attention: attentionOutput },
        (segment) => positionInputs(rows, segment),
        states,
        into && tensorsOver(into, hidden.dims[0]!),
      );
      return holeInputs(outputs);
    },
    last: async (hidden, attentionOutput, rows, into, states = createState()) => {
      const targets = into && tensorsOver({ residual: into }, hidden.dims[0]!);
      const feeds = { hidden, attention: attentionOutput };
      const inputsOf = (segment: number): InferenceSession.FeedsType => positionInputs(rows, segment);
      return (await through([holes.at(-1)! + 1, layers], feeds, inputsOf, states, targets)).residual!;
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
