import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type TensorProto,
  TensorProto_DataType as DataType,
  TensorProtoSchema,
} from "onnx-buf";
import { initializer, portInfo } from "../onnx/graph.ts";
import type { SegmentModel } from "../segments/segment-files.ts";
import type { CreateSession, Session } from "../session.ts";
import type { Codes } from "./builder.ts";
import { differentiate, type Differentiation, readsOf } from "./differentiate.ts";
import { graphParts } from "./graph-parts.ts";

/**
 * The vector-Jacobian product of an ONNX model as another model, which reads the same weights: those in files stay there. See
 * {@link differentiate}.
 */
export const vjpModel = (model: Uint8Array, differentiation: Differentiation): Uint8Array =>
  toBinary(ModelProtoSchema, vjpOf(fromBinary(ModelProtoSchema, model), differentiation));

const vjpOf = ({ graph, ...model }: ModelProto, differentiation: Differentiation): ModelProto => {
  const { inputs, outputs, nodes, constants, codes } = differentiate(graphParts(graph!), differentiation);
  const read = new Set(nodes.flatMap(readsOf));
  const { irVersion, producerName, opsetImport, functions } = model;
  return create(ModelProtoSchema, {
    irVersion,
    producerName,
    opsetImport,
    functions,
    graph: create(GraphProtoSchema, {
      name: "vjp",
      input: inputs.map(portInfo),
      output: outputs.map(portInfo),
      node: [...nodes],
      initializer: [
        ...graph!.initializer.filter(({ name }) => read.has(name)),
        ...constants.map(initializer),
        ...codes.map((one) =>
          codesTensor(
            one,
            graph!.initializer.find(({ name }) => name === one.source)!,
          ),
        ),
      ],
    }),
  });
};

const codesTensor = ({ name, bits, dims }: Codes, source: TensorProto): TensorProto =>
  create(TensorProtoSchema, {
    ...source,
    name,
    dims: dims.map(BigInt),
    dataType: bits === 4 ? DataType.UINT4 : DataType.UINT8,
  });

/** Compiles the vector-Jacobian product of a segment. Mapped weights are read where they are. */
export const openVjp = async (
  { bytes, weightsFolder }: SegmentModel,
  createSession: CreateSession,
  differentiation: Differentiation,
): Promise<Session> =>
  createSession(vjpModel(bytes, differentiation), {
    outputLocation: "cpu",
    keepsMapped: true,
    ...(weightsFolder !== undefined && { weightsFolder }),
  });
