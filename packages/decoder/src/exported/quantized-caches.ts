import { create, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  TensorProto_DataType as DataType,
  type ValueInfoProto,
} from "onnx-buf";
import { initializer, node } from "../onnx/graph.ts";
import type { AttentionCut, ExportedHeads } from "./attention-cuts.ts";
import { ExportError, uncuttable } from "./export-error.ts";
import { graphIndex, type GraphIndex } from "./graph-index.ts";

/** How GroupQueryAttention stores a layer's keys and values: codes of one size, and fixed scales. */
export interface QuantizedCache {
  readonly bits: 4 | 8;
  /** One scale, or one for each channel of each KV head, `[kvHeads, headSize]`; as many for values. */
  readonly keyScales: Float32Array;
  readonly valueScales: Float32Array;
}

/** A cache of the graph: the input with past tokens, and the output with those and the new ones. */
interface CachePorts {
  readonly past: string;
  readonly present: string;
}

/** Inputs of GroupQueryAttention, of which input 3 and 4 are past keys and values, and output 1 and 2 the present ones. */
const [KEY_SCALE, VALUE_SCALE] = [12, 13];

/**
 * The model with caches of codes in some layers. Their inputs and outputs become int8 `[batch, heads, tokens, size]`, or at
 * 4 bits uint8 `[batch, heads, tokens, ceil(size / 2)]`; scales become constants of the graph.
 *
 * Operator: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.GroupQueryAttention
 *
 * @param caches by layer; undefined leaves a layer as it is
 * @throws ExportError `EXPORT_UNSUPPORTED` for layers with another operator, or caches that are coded already or read elsewhere
 */
export const withQuantizedCaches = (
  model: ModelProto,
  cuts: readonly AttentionCut[],
  heads: ExportedHeads,
  caches: readonly (QuantizedCache | undefined)[],
): Uint8Array => {
  const graph = model.graph!;
  const index = graphIndex(graph);
  const layers = cuts.flatMap(({ node: operator }, layer) => {
    const cache = caches[layer];
    return cache === undefined ? [] : [quantizedLayer(index, operator, heads, cache)];
  });
  const nodes = new Map(layers.map(({ operator, quantized }) => [operator, quantized]));
  const ports = new Map([...cuts.flatMap((cut) => sizedPorts(cut, heads)), ...layers.flatMap((layer) => layer.ports)]);
  const asCodes = (info: ValueInfoProto): ValueInfoProto => ports.get(info.name)?.(info) ?? info;
  return toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      ...model,
      graph: create(GraphProtoSchema, {
        ...graph,
        node: graph.node.map((one) => nodes.get(one) ?? one),
        input: graph.input.map(asCodes),
        output: graph.output.map(asCodes),
        valueInfo: graph.valueInfo.map(asCodes),
        initializer: [...graph.initializer, ...layers.flatMap(({ scales }) => scales)],
      }),
    }),
  );
};

const quantizedLayer = (
  index: GraphIndex,
  operator: NodeProto,
  { kvHeads, headSize }: ExportedHeads,
  { bits, ...scales }: QuantizedCache,
) => {
  const caches = cachesOf(index, operator);
  const isByChannel = Math.max(scales.keyScales.length, scales.valueScales.length) > 1;
  const constants = (["keyScales", "valueScales"] as const).map((part, place) => ({
    name: `${caches[place]!.present}.kvtuner_scale`,
    dims: isByChannel ? [1, kvHeads, 1, headSize] : [1],
    data: isByChannel ? byChannel(scales[part], kvHeads * headSize) : scales[part],
  }));
  const type = isByChannel ? "PER_CHANNEL" : "PER_TENSOR";
  const elementType = bits === 8 ? DataType.INT8 : DataType.UINT8;
  const coded: ChangePort = (info) => withLast(info, Math.ceil((headSize * bits) / 8), elementType);
  return {
    operator,
    quantized: reading(
      operator,
      constants.map(({ name }) => name),
      node("", [], [], { k_quant_type: type, v_quant_type: type, kv_cache_bit_width: bits }).attribute,
    ),
    scales: constants.map(initializer),
    ports: caches.flatMap(({ past, present }) => [past, present].map((name) => [name, coded] as const)),
  };
};

/** A scale for each channel, for an operator that has either one for keys and values or one per channel for both. */
const byChannel = (scales: Float32Array, channels: number): Float32Array =>
  scales.length === 1 ? new Float32Array(channels).fill(scales[0]!) : scales;

const reading = (operator: NodeProto, scales: readonly string[], attribute: NodeProto["attribute"]): NodeProto => {
  const input = Array.from(
    { length: Math.max(operator.input.length, VALUE_SCALE + 1) },
    (_, place) => operator.input[place] ?? "",
  );
  [input[KEY_SCALE], input[VALUE_SCALE]] = scales as [string, string];
  const names = new Set(attribute.map(({ name }) => name));
  return {
    ...operator,
    input,
    attribute: [...operator.attribute.filter(({ name }) => !names.has(name)), ...attribute],
  };
};

const FLOATS: readonly (number | undefined)[] = [DataType.FLOAT, DataType.FLOAT16, DataType.BFLOAT16];

/** Caches of keys and of values that an operator alone reads and writes. */
const cachesOf = (index: GraphIndex, operator: NodeProto): readonly [CachePorts, CachePorts] => {
  const { opType, input, output } = operator;
  if (opType !== "GroupQueryAttention")
    throw uncuttable("GroupQueryAttention in each layer whose cache is quantized", opType);
  const caches = [
    { past: input[3] ?? "", present: output[1] ?? "" },
    { past: input[4] ?? "", present: output[2] ?? "" },
  ] as const;
  for (const ports of caches) assertOwnCache(index, operator, ports);
  return caches;
};

const assertOwnCache = (
  { graph, inputType, inputDims }: GraphIndex,
  operator: NodeProto,
  { past, present }: CachePorts,
): void => {
  if (!inputDims(past) || !graph.output.some(({ name }) => name === present))
    throw uncuttable("caches that are inputs and outputs of the model", `${past || "none"} and ${present || "none"}`);
  if (!FLOATS.includes(inputType(past)))
    throw new ExportError(
      "EXPORT_UNSUPPORTED",
      `expected ${past} to be in floating point, got ${DataType[inputType(past)!]}; use the model before its cache was quantized`,
    );
  // `Shape` counts tokens, of any type.
  const reader = graph.node.find(
    (one) => one !== operator && one.opType !== "Shape" && one.input.some((name) => name === past || name === present),
  );
  if (reader)
    throw uncuttable(`${past} and ${present} to be read by their layer alone`, `${reader.opType} that reads them`);
};

type ChangePort = (info: ValueInfoProto) => ValueInfoProto;

/** Caches of numbers state the size of a head too, which exporters may leave open and transformers.js reads. */
const sizedPorts = ({ node: operator }: AttentionCut, { headSize }: ExportedHeads): [string, ChangePort][] => {
  if (operator.opType !== "GroupQueryAttention") return [];
  const { input, output } = operator;
  return [input[3], input[4], output[1], output[2]].map((name) => [name ?? "", (info) => withLast(info, headSize)]);
};

/** A port with another last dimension, and maybe another element type. */
const withLast = (info: ValueInfoProto, size: number, elementType?: DataType): ValueInfoProto => {
  const value = info.type!.value;
  if (value.case !== "tensorType" || !value.value.shape) return info;
  const { elemType, shape } = value.value;
  const last = { ...shape.dim.at(-1)!, value: { case: "dimValue" as const, value: BigInt(size) } };
  const tensor = {
    ...value.value,
    elemType: elementType ?? elemType,
    shape: { ...shape, dim: [...shape.dim.slice(0, -1), last] },
  };
  return { ...info, type: { ...info.type!, value: { case: "tensorType", value: tensor } } };
};
