import { fromBinary } from "@bufbuild/protobuf";
import type { CacheShape } from "@kvtuner/plan";
import { type ModelProto, ModelProtoSchema } from "onnx-buf";
import { type InferenceSession, Tensor } from "onnxruntime-common";
import { shapeOf } from "../architecture/attention.ts";
import { assembleDecoder, type Decoder } from "../decoder.ts";
import type { SegmentModel } from "../segments/segment-files.ts";
import { openOnUse, type OnStep } from "../segments/segment-set.ts";
import { type CreateSession, releasedOnFailure } from "../session.ts";
import { type AttentionCut, attentionCuts } from "./attention-cuts.ts";
import { cutGraph, type CutModel } from "./cut-graph.ts";
import { ExportError, uncuttable } from "./export-error.ts";
import { type ExportedConfig, readExportedConfig } from "./exported-config.ts";
import { graphIndex } from "./graph-index.ts";
import { type QuantizedCache, withQuantizedCaches } from "./quantized-caches.ts";

/** An ONNX model as published for onnxruntime-genai, Optimum or transformers.js, of which only the graph was read. */
export interface ExportedModel {
  readonly config: ExportedConfig;
  readonly shape: CacheShape;
  /** Names of the files of weights, relative to the ONNX file's folder. */
  readonly weightFiles: readonly string[];
  /** Whether products read codes of a few bits, which the runtime must pack again to be fast. */
  readonly isQuantized: boolean;
  /** Makes its segments; weights stay in their files. */
  cut(): CutModel;
  /**
   * The ONNX file with codes in the caches of some layers, for the same files of weights.
   *
   * @param caches by layer; undefined leaves a layer as it is
   * @throws ExportError `EXPORT_UNSUPPORTED` for layers without a GroupQueryAttention that alone reads its cache
   */
  withQuantizedCaches(caches: readonly (QuantizedCache | undefined)[]): Uint8Array;
}

/**
 * Reads the graph of an exported decoder: one attention operator per layer (GroupQueryAttention, MultiHeadAttention or the
 * standard Attention), keys and values in inputs `past_key_values.N.key`, output `logits`.
 *
 * @param model the ONNX file, without the files of weights that it refers to
 * @param config the text of `genai_config.json` or `config.json`, and which of them it is
 * @throws ExportError `EXPORT_DAMAGED`, `EXPORT_CONFIG`, `EXPORT_UNSUPPORTED`
 */
export const openExported = (
  model: Uint8Array,
  config: { readonly text: string; readonly file: string },
): ExportedModel => {
  const proto = parsed(model);
  const read = readExportedConfig(config.text, config.file);
  const cuts = attentionCuts(graphIndex(proto.graph!), read);
  if (cuts.length !== read.layers)
    throw new ExportError(
      "EXPORT_CONFIG",
      `expected ${read.layers} attention operators as ${config.file} says, got ${cuts.length}; the files are of different models`,
    );
  // Other operators get spans in their masks, which are not read.
  if (read.slides && cuts.some(({ node }) => node.opType !== "GroupQueryAttention"))
    throw uncuttable(
      "layers without a span, or with GroupQueryAttention",
      `a span in ${config.file} and another operator`,
    );
  return {
    config: read,
    shape: exportedShape(read, cuts),
    weightFiles: weightFiles(proto),
    isQuantized: proto.graph!.node.some(({ opType }) => opType === "MatMulNBits"),
    cut: () => cutGraph(proto, cuts, read, read.hiddenSize),
    withQuantizedCaches: (caches) => withQuantizedCaches(proto, cuts, read, caches),
  };
};

const weightFiles = ({ graph }: ModelProto): string[] => [
  ...new Set(
    graph!.initializer.flatMap(({ externalData }) =>
      externalData.filter(({ key }) => key === "location").map(({ value }) => value),
    ),
  ),
];

const parsed = (model: Uint8Array): ModelProto => {
  try {
    const proto = fromBinary(ModelProtoSchema, model);
    if (proto.graph && proto.graph.node.length > 0) return proto;
  } catch (cause) {
    throw damaged(cause);
  }
  throw damaged();
};

const damaged = (cause?: unknown): ExportError =>
  new ExportError("EXPORT_DAMAGED", "expected an ONNX model, got other bytes; download it again", { cause });

const exportedShape = ({ queryHeads, kvHeads, headSize }: ExportedConfig, cuts: readonly AttentionCut[]): CacheShape =>
  shapeOf(cuts.map(({ attention }) => ({ queryHeads, kvHeads, headSize, attention })));

/** Options of {@link loadExported}. */
export interface LoadExportedOptions {
  readonly createSession: CreateSession;
  /** Folder of the files of weights; absent if the model has all its weights inside. */
  readonly weightsFolder?: string;
  /** Name of the model, for plans. */
  readonly name: string;
  readonly sha256?: string;
  /** As in `LoadOptions`. */
  readonly residentSegments?: number;
  readonly onProgress?: OnStep;
}

/** Opens the segments of an exported model. */
export const loadExported = async (model: ExportedModel, options: LoadExportedOptions): Promise<Decoder> => {
  const { config, shape } = model;
  const { createSession, name, sha256, weightsFolder, residentSegments, onProgress } = options;
  const { segments, readsPositions } = model.cut();
  const sessionOptions = {
    outputLocation: "cpu" as const,
    keepsMapped: !model.isQuantized,
    ...(weightsFolder !== undefined && { weightsFolder }),
  };
  const opens = segments.map((segment) => async () => createSession(segment.bytes, sessionOptions));
  const { architecture, hiddenSize, contextLength, vocabularySize } = config;
  const segmentModel = async (index: number): Promise<SegmentModel> => ({
    bytes: segments[index]!.bytes,
    ...(weightsFolder !== undefined && { weightsFolder }),
  });
  const set = await openOnUse(opens, segmentModel, residentSegments, onProgress);
  const parts = {
    config: { name, architecture, hiddenSize, contextLength },
    shape,
    identity: { name, architecture, ...(sha256 !== undefined && { sha256 }) },
    vocabularySize,
    segments: set,
    positions: (positions: ArrayLike<number>) => ({ tables: [], ids: integerRows(positions) }),
    embed: async (ids: ArrayLike<number>) => ({ ids: integerRows(ids) }),
    positionInputs: ({ ids }: { readonly ids?: Tensor }, segment: number): InferenceSession.FeedsType =>
      ids && readsPositions[segment] === true ? { position_ids: ids } : {},
  };
  return releasedOnFailure(createSession, async (noted, opened) => {
    opened.push(set);
    return assembleDecoder(parts, { createSession: noted });
  });
};

const integerRows = (values: ArrayLike<number>): Tensor =>
  new Tensor("int64", BigInt64Array.from(Array.from(values), BigInt), [values.length]);
