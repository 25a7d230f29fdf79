import type { Tensor } from "onnxruntime-common";
import { type Graph, node, serializeGraph } from "../onnx/graph.ts";
import type { CreateSession } from "../session.ts";

/** Moves rows to the device that sessions run on. */
export interface DeviceRows {
  /** A copy of float32 `[rows, width]` on the device. */
  of(rows: Tensor): Promise<Tensor>;
  /** Releases the compiled graph. */
  dispose(): Promise<void>;
}

/** Compiles the graph that copies rows. */
export const createDeviceRows = async (createSession: CreateSession): Promise<DeviceRows> => {
  const session = await createSession(serializeGraph(COPY), { outputLocation: "gpu-buffer" });
  return {
    of: async (rows) => (await session.run({ rows }))["kept"]!,
    dispose: () => session.release(),
  };
};

const PORT = { dims: ["rows", "width"] } as const;

const COPY: Graph = {
  name: "device_rows",
  inputs: [{ name: "rows", ...PORT }],
  outputs: [{ name: "kept", ...PORT }],
  nodes: [node("Identity", ["rows"], ["kept"])],
  constants: [],
};
