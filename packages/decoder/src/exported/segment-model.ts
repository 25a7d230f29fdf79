import { create, toBinary } from "@bufbuild/protobuf";
import { GraphProtoSchema, type ModelProto, ModelProtoSchema, type NodeProto, type TensorProto } from "onnx-buf";
import { initializer, type Port, portInfo } from "../onnx/graph.ts";
import type { AttentionCut, ExportedHeads } from "./attention-cuts.ts";
import { type GraphIndex, IDS, POSITIONS } from "./graph-index.ts";
import {
  type ActivationType,
  adapterConstants,
  attentionEntrance,
  batched,
  BATCHED_POSITIONS,
  entrance,
  exit,
  holeExit,
  logitsExit,
} from "./hole-adapters.ts";

/** What all segments of a model need to know. */
export interface ModelParts {
  readonly model: ModelProto;
  readonly index: GraphIndex;
  readonly heads: ExportedHeads;
  readonly hiddenSize: number;
  readonly elementType: ActivationType;
}

/** Nodes of one segment, and the tensors of the model's graph at its ends. */
export interface SegmentPart {
  readonly nodes: readonly NodeProto[];
  /** Inputs of the model's graph that the nodes read. */
  readonly inputs: ReadonlySet<string>;
  /** The residuals from the segment before; undefined for the first. */
  readonly entering: string | undefined;
  /** The residuals that leave it; undefined if a segment only passes on what it gets. */
  readonly residual: string | undefined;
  readonly before?: AttentionCut | undefined;
  readonly after?: AttentionCut | undefined;
}

const HOLE = ["query", "key", "value"] as const;

/** Whether a segment has an input `position_ids`. */
export const readsPositions = ({ inputs, after }: SegmentPart): boolean =>
  inputs.has(POSITIONS) || after?.query.rope !== undefined;

/** A segment as an ONNX model. */
export interface ExportedSegment {
  readonly bytes: Uint8Array;
  /** Bytes of its weights, in the model and in files. */
  readonly weightBytes: number;
}

/** Makes a segment. */
export const segmentModel = (parts: ModelParts, part: SegmentPart): ExportedSegment => {
  const { heads, hiddenSize, elementType, index } = parts;
  const { entering, residual, before, after } = part;
  return modelOf(parts, {
    inputs: inputPorts(parts, part),
    outputs: outputPorts(parts, part),
    nodes: [
      ...(entering === undefined ? [] : entrance("hidden", entering, elementType)),
      ...(before ? attentionEntrance(before, heads, elementType) : []),
      ...(part.inputs.has(IDS) ? [batched("ids", IDS)] : []),
      ...(readsPositions(part) ? [batched(POSITIONS, BATCHED_POSITIONS)] : []),
      ...part.nodes.map(readingBatchedPositions),
      ...(residual === undefined ? [] : exit("residual", residual, hiddenSize)),
      ...(after ? HOLE.flatMap((name) => holeExit(name, after[name], heads.headSize, index)) : []),
    ],
  });
};

const inputPorts = ({ heads, hiddenSize }: ModelParts, part: SegmentPart): Port[] => [
  ...(part.entering === undefined ? [] : [{ name: "hidden", dims: ["rows", hiddenSize] }]),
  ...(part.before ? [{ name: "attention", dims: ["rows", heads.queryHeads * heads.headSize] }] : []),
  ...(part.inputs.has(IDS) ? [{ name: "ids", type: "int64" as const, dims: ["rows"] }] : []),
  ...(readsPositions(part) ? [{ name: POSITIONS, type: "int64" as const, dims: ["rows"] }] : []),
];

const outputPorts = ({ heads, hiddenSize }: ModelParts, { residual, after }: SegmentPart): Port[] => [
  ...(residual === undefined ? [] : [{ name: "residual", dims: ["rows", hiddenSize] }]),
  ...(after ? HOLE.map((name) => ({ name, dims: ["rows", after[name].heads * heads.headSize] })) : []),
];

/** The graph's own input has a batch; the segment's has none, under the same name. */
const readingBatchedPositions = (operation: NodeProto): NodeProto =>
  operation.input.includes(POSITIONS)
    ? { ...operation, input: operation.input.map((name) => (name === POSITIONS ? BATCHED_POSITIONS : name)) }
    : operation;

/** The output matrix: what it reads, the nodes from there to the logits, and those. */
export interface HeadPart {
  readonly hidden: string;
  readonly nodes: readonly NodeProto[];
  readonly logits: string;
}

/** The graph's own logits have a batch, and may have the name of the segment's. */
const GRAPH_LOGITS = "kvtuner_logits";

/** Makes the head. */
export const headModel = (parts: ModelParts, { hidden, nodes, logits }: HeadPart): ExportedSegment =>
  modelOf(parts, {
    inputs: [{ name: "hidden", dims: ["rows", parts.hiddenSize] }],
    outputs: [{ name: "logits", dims: ["rows", "vocabulary"] }],
    nodes: [
      ...entrance("hidden", hidden, parts.elementType),
      ...nodes.map((one) => ({ ...one, output: one.output.map((name) => (name === logits ? GRAPH_LOGITS : name)) })),
      ...logitsExit(GRAPH_LOGITS),
    ],
  });

/** A model with the constants that its nodes read; those in files stay there. */
const modelOf = (
  { model, index }: ModelParts,
  { inputs, outputs, nodes }: { inputs: readonly Port[]; outputs: readonly Port[]; nodes: readonly NodeProto[] },
): ExportedSegment => {
  const read = new Set(nodes.flatMap(({ input }) => input));
  const weights = [...read].flatMap((name) => index.constant(name) ?? []);
  const bytes = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: model.irVersion,
      producerName: "kvtuner",
      opsetImport: model.opsetImport,
      functions: model.functions,
      graph: create(GraphProtoSchema, {
        name: "segment",
        input: inputs.map(portInfo),
        output: outputs.map(portInfo),
        node: [...nodes],
        initializer: [...weights, ...adapterConstants(read).map(initializer)],
      }),
    }),
  );
  const inFiles = weights.reduce((sum, weight) => sum + fileBytes(weight), 0);
  return { bytes, weightBytes: bytes.length + inFiles };
};

const fileBytes = ({ externalData }: TensorProto): number =>
  Number(externalData.find(({ key }) => key === "length")?.value ?? 0);
