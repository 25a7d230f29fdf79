import { Tensor } from "onnxruntime-common";
import type { DecoderConfig } from "../architecture/config.ts";
import { type Graph, integers, node, serializeGraph } from "../onnx/graph.ts";
import type { CreateSession } from "../session.ts";

/** Takes the last of several rows, on the CPU or on a device. */
export interface LastRow {
  /** `[1, hiddenSize]` of `[rows, hiddenSize]`; the same tensor if it has only one row. */
  of(rows: Tensor): Promise<Tensor>;
  /** Releases the compiled graph. */
  dispose(): Promise<void>;
}

/** Options of `loadDecoder` in use here. */
export interface LastRowOptions {
  readonly createSession: CreateSession;
  readonly deviceTensors?: boolean;
}

/** On the CPU the last row is a view. On a device a graph slices it, so that no other row is downloaded. */
export const createLastRow = async (
  { hiddenSize }: Pick<DecoderConfig, "hiddenSize">,
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
