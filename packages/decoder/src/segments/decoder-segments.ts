import type { DecoderConfig } from "../architecture/config.ts";
import { familyOf } from "../architecture/families.ts";
import { readLayerInputs } from "../architecture/layer-inputs.ts";
import { layerReader } from "../architecture/layer-reader.ts";
import { readHead, vocabularySize } from "../architecture/read-weights.ts";
import type { WeightSource } from "../architecture/weights.ts";
import type { CreateSession, SessionOptions } from "../session.ts";
import { arithmeticOf, type WeightStorage } from "../weight-storage.ts";
import { FILED_HEAD_BYTES, HEAD_BYTES, headPieces } from "./head-pieces.ts";
import type { SegmentFiles } from "./segment-files.ts";
import { segmentGraph, type SegmentWeights } from "./segment-graph.ts";
import { compileSegments, type OnStep, openSegments, type SegmentSet, type SegmentSource } from "./segment-set.ts";

/** How the segments of a decoder are built. */
export interface SegmentOptions {
  readonly createSession: CreateSession;
  /** `float32` by default. */
  readonly weights?: WeightStorage;
  /** Writes segments to files once and opens them there; without it, they are built in memory. */
  readonly segmentFiles?: SegmentFiles;
  /** With `segmentFiles`, the segments open at a time: each is opened on use, in milliseconds. All are open by default. */
  readonly residentSegments?: number;
  /**
   * Maximum size in bytes, in float32, of the segments into which the output matrix is split; by default 1 GiB, and 128 MiB
   * with `segmentFiles`.
   */
  readonly maxHeadBytes?: number;
  /**
   * Leaves tensors that cross the holes, and the last residuals, in buffers of the device that `createSession` runs on;
   * false by default. Whatever fills the holes must accept them there, as a backend with `capabilities.deviceTensors`
   * does.
   */
  readonly deviceTensors?: boolean;
  /** Called after each segment is built, written or opened. An exception from it aborts the loading. */
  readonly onProgress?: OnStep;
}

/** The segments between holes, then the head in pieces. */
export const decoderSegments = async (
  source: WeightSource,
  config: DecoderConfig,
  options: SegmentOptions,
): Promise<SegmentSet> => {
  const { segmentFiles, residentSegments, createSession, onProgress } = options;
  const sources = segmentSources(source, config, options);
  return segmentFiles
    ? openSegments(sources, segmentFiles, residentSegments, onProgress)
    : compileSegments(sources, createSession, onProgress);
};

const segmentSources = (source: WeightSource, config: DecoderConfig, options: SegmentOptions): SegmentSource[] => {
  const { weights = "float32", segmentFiles, deviceTensors = false } = options;
  const { maxHeadBytes = segmentFiles ? FILED_HEAD_BYTES : HEAD_BYTES } = options;
  const arithmetic = arithmeticOf(weights);
  // Prepacking copies float32 weights; int8 arithmetic is slow without it.
  const keepsMapped = segmentFiles !== undefined && arithmetic === "float32";
  const part = (
    name: string,
    outputLocation: SessionOptions["outputLocation"],
    read: () => Promise<SegmentWeights>,
  ): SegmentSource => ({
    name,
    options: { outputLocation, keepsMapped },
    build: async () => segmentGraph(config, await read(), arithmetic),
  });
  const between = Array.from({ length: config.layers + 1 }, (_, index) =>
    part(`segment-${index}`, deviceTensors ? "gpu-buffer" : "cpu", async () => segmentWeights(source, config, index)),
  );
  const head = headPieces(config, vocabularySize(source), maxHeadBytes).map((rows, piece) =>
    part(`head-${piece}`, "cpu", async () => ({ head: await readHead(source, config, rows) })),
  );
  return [...between, ...head];
};

const segmentWeights = async (source: WeightSource, config: DecoderConfig, index: number): Promise<SegmentWeights> => {
  const { projection, feedForward, recurrent } = familyOf(config.architecture);
  const reader = layerReader(source, config, index);
  const layerInputs = index === 0 ? await readLayerInputs(source, config) : undefined;
  return {
    ...(layerInputs && { layerInputs }),
    ...(index > 0 && { feedForward: await feedForward(layerReader(source, config, index - 1)) }),
    ...(index < config.layers &&
      (recurrent && reader.isRecurrent
        ? { mixer: await recurrent.mixer(reader) }
        : { projection: await projection(reader) })),
  };
};
