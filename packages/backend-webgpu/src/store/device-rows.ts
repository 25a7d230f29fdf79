import type { CacheShape } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import type { Engine } from "../device/engine.ts";
import { inputPlaces } from "../device/workspace.ts";
import type { RowsOfCall } from "./uploaded-rows.ts";

/** Tensors of a call in buffers of the device. */
export interface DeviceCall {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/** Rows of tensors that are on the device: copied there, from buffers with COPY_SRC. */
export const deviceRows =
  (engine: Engine, shape: CacheShape, { query, key, value }: DeviceCall): RowsOfCall =>
  (commands, first, count) => {
    const places = inputPlaces(shape, engine.limits);
    for (const [tensor, place] of [
      [query, places.query],
      [key, places.key],
      [value, places.value],
    ] as const) {
      const rowBytes = 4 * tensor.dims[2]!;
      const source = tensor.gpuBuffer;
      commands.copy(source, first * rowBytes, engine.workspace.get("inputs").gpu, 4 * place, count * rowBytes);
    }
  };
