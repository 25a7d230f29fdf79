import { create, toBinary } from "@bufbuild/protobuf";
import {
  AttributeProto_AttributeType as AttributeType,
  type AttributeProto,
  AttributeProtoSchema,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProto_DataLocation,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "onnx-buf";

const IR_VERSION = 10n;
const OPSET_VERSION = 23n;

/** Element types in use. */
export type ElementType = "float32" | "int32" | "int64" | "uint8" | "bool";

/** A graph input or output: its name, element type and dimensions; a string is a symbolic dimension. */
export interface Port {
  readonly name: string;
  readonly type?: ElementType;
  readonly dims: readonly (number | string)[];
}

/** A branch of `If`, or with inputs the body of `Scan`. It also reads the tensors of the graph around it, constants included. */
export type Branch = Pick<Graph, "name" | "outputs" | "nodes"> & Partial<Pick<Graph, "inputs">>;

/** Value of a node attribute. Integers are written as INT, `{ float }` as FLOAT, `{ branch }` as GRAPH. */
export type AttributeValue =
  | number
  | string
  | readonly number[]
  | { readonly float: number }
  | { readonly branch: Branch };

/** One constant tensor of a graph. */
export interface Constant {
  readonly name: string;
  readonly dims: readonly number[];
  readonly data: Float32Array | BigInt64Array | Uint8Array;
}

/** A constant whose data is read when it is written. */
export interface DeferredConstant extends Omit<Constant, "data"> {
  readonly type: "float32" | "uint8";
  read(): Promise<Constant["data"]>;
}

/** A whole ONNX graph, for {@link serializeGraph}. */
export interface Graph<OneConstant extends Constant | DeferredConstant = Constant> {
  readonly name: string;
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly OneConstant[];
}

/** A graph that may be larger than memory. */
export type DeferredGraph = Graph<Constant | DeferredConstant>;

/** The graph with all data in memory. */
export const readGraph = async ({ constants, ...graph }: DeferredGraph): Promise<Graph> => {
  const read: Constant[] = [];
  for (const constant of constants) read.push(await readConstant(constant));
  return { ...graph, constants: read };
};

/** The constant with its data. */
export const readConstant = async (constant: Constant | DeferredConstant): Promise<Constant> =>
  "data" in constant ? constant : { name: constant.name, dims: constant.dims, data: await constant.read() };

/** Bytes of a constant. */
export const constantBytes = (constant: Constant | DeferredConstant): number =>
  "data" in constant
    ? constant.data.byteLength
    : constant.dims.reduce((product, dim) => product * dim, constant.type === "float32" ? 4 : 1);

/** One operator call; `domain` is empty for the standard operators. */
export const node = (
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
  domain = "",
): NodeProto =>
  create(NodeProtoSchema, {
    opType,
    domain,
    input: [...input],
    output: [...output],
    attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  });

/** Int64 constant, such as the shape input of `Reshape`. */
export const integers = (name: string, values: readonly number[]): Constant => ({
  name,
  dims: [values.length],
  data: BigInt64Array.from(values, BigInt),
});

/** Float32 scalar constant. */
export const scalar = (name: string, value: number): Constant => ({ name, dims: [], data: Float32Array.of(value) });

/** Bytes of an ONNX model with one graph, constants inside (at most 2 GiB, protobuf's limit). */
export const serializeGraph = (graph: Graph): Uint8Array => serializeWith(graph, initializer);

/** {@link serializeGraph} with the given initializer of each constant. */
export const serializeWith = <OneConstant extends Constant | DeferredConstant>(
  { name, inputs, outputs, nodes, constants }: Graph<OneConstant>,
  initializerOf: (constant: OneConstant) => TensorProto,
): Uint8Array =>
  toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: IR_VERSION,
      producerName: "kvtuner",
      opsetImport: [
        { domain: "", version: OPSET_VERSION },
        { domain: "com.microsoft", version: 1n },
      ],
      graph: create(GraphProtoSchema, {
        name,
        input: inputs.map(portInfo),
        output: outputs.map(portInfo),
        node: [...nodes],
        initializer: constants.map(initializerOf),
      }),
    }),
  );

/** Codes of element types, as `Cast` takes them. */
export const DATA_TYPE: Readonly<Record<ElementType, DataType>> = {
  float32: DataType.FLOAT,
  int32: DataType.INT32,
  int64: DataType.INT64,
  uint8: DataType.UINT8,
  bool: DataType.BOOL,
};

const elementType = (data: Constant["data"]): ElementType => {
  if (data instanceof Float32Array) return "float32";
  return data instanceof Uint8Array ? "uint8" : "int64";
};

const attribute = (name: string, value: AttributeValue): AttributeProto => {
  if (typeof value === "number")
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === "string")
    return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: bytesOf(value) });
  if ("branch" in value)
    return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: branchGraph(value.branch) });
  if ("float" in value) return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.map(BigInt) });
};

const branchGraph = ({ name, inputs = [], outputs, nodes }: Branch): GraphProto =>
  create(GraphProtoSchema, { name, input: inputs.map(portInfo), output: outputs.map(portInfo), node: [...nodes] });

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(new TextEncoder().encode(text));

/** A port in the form of a model file. */
export const portInfo = ({ name, type = "float32", dims }: Port): ValueInfoProto =>
  create(ValueInfoProtoSchema, {
    name,
    type: {
      value: {
        case: "tensorType",
        value: {
          elemType: DATA_TYPE[type],
          shape: {
            dim: dims.map((dim) => ({
              value:
                typeof dim === "number"
                  ? { case: "dimValue" as const, value: BigInt(dim) }
                  : { case: "dimParam" as const, value: dim },
            })),
          },
        },
      },
    },
  });

/** A constant inside the model. */
export const initializer = ({ data, ...constant }: Constant): TensorProto =>
  create(TensorProtoSchema, { ...tensorFields({ data, ...constant }), rawData: bytesOfData(data) });

/** A constant in a file beside the model, with entries like `location` and `offset`. */
export const externalInitializer = (
  constant: Constant | DeferredConstant,
  entries: Readonly<Record<string, string>>,
): TensorProto =>
  create(TensorProtoSchema, {
    ...tensorFields(constant),
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
  });

const tensorFields = (constant: Constant | DeferredConstant): Pick<TensorProto, "name" | "dims" | "dataType"> => ({
  name: constant.name,
  dims: constant.dims.map(BigInt),
  dataType: DATA_TYPE["data" in constant ? elementType(constant.data) : constant.type],
});

/** The bytes of a constant, little endian; a view. */
export const bytesOfData = (data: Constant["data"]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
