import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "../architecture/config.ts";
import { type Graph, integers, node, serializeGraph } from "../onnx/graph.ts";
import type { CreateSession } from "../session.ts";

/** Takes the last of several rows, where they are. */
export interface LastRow {
  /** `[1, hiddenSize]` of `[rows, hiddenSize]`; the same tensor where that is all there is. */
  of(rows: Tensor): Promise<Tensor>;
  /** Gives a compiled graph back. */
  dispose(): Promise<void>;
}

/** What of the options of `loadDecoder` counts here. */
export interface LastRowOptions {
  readonly createSession: CreateSession;
  readonly deviceTensors?: boolean;
}

/** On the CPU the last row is a view; rows on a device are cut by a graph, so that no other row is read back. */
export const createLastRow = async (
  { hiddenSize }: DecoderConfig,
  { createSession, deviceTensors = false }: LastRowOptions,
): Promise<LastRow> => {
  if (!deviceTensors) return { of: async (rows) => viewOfLastRow(rows, hiddenSize), dispose: async () => undefined };
  const session = await createSession(serializeGraph(lastRowGraph(hiddenSize)), { outputLocation: "gpu-buffer" });
  return {
    of: async (rows) => (rows.dims[0] === 1 ? rows : (await session.run({ rows }))["last"]!),
    dispose: () => session.release(),
  };
};

const viewOfLastRow = (rows: Tensor, width: number): Tensor =>
  new Tensor("float32", (rows.data as Float32Array).subarray(-width), [1, width]);

const lastRowGraph = (width: number): Graph => ({
  name: "last_row",
  inputs: [{ name: "rows", dims: ["rows", width] }],
  outputs: [{ name: "last", dims: [1, width] }],
  nodes: [node("Slice", ["rows", "from", "to", "row_axis"], ["last"])],
  constants: [integers("from", [-1]), integers("to", [Number.MAX_SAFE_INTEGER]), integers("row_axis", [0])],
});
