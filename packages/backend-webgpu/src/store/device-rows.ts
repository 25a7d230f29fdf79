import { TensorError } from "@kvtuner/backend";
import type { LayerShape } from "@kvtuner/plan";
import type { Tensor } from "onnxruntime-common";
import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { COPY_SOURCE } from "../device/usage.ts";
import { inputPlaces } from "../device/workspace.ts";
import type { RowsOfCall } from "./uploaded-rows.ts";

/** Tensors of a call in buffers of the device. */
export interface DeviceCall {
  readonly query: Tensor;
  readonly key: Tensor;
  readonly value: Tensor;
}

/**
 * Checks location, usage and size of the buffers. Only the device knows whether they are destroyed or another device's.
 *
 * @throws TensorError `BACKEND_TENSOR_LOCATION`, `BACKEND_TENSOR_BUFFER`
 */
export const assertDeviceCall = (call: DeviceCall): void => {
  for (const [what, tensor] of Object.entries(call) as [string, Tensor][]) assertDeviceTensor(what, tensor);
};

const assertDeviceTensor = (what: string, tensor: Tensor): void => {
  if (tensor.location !== "gpu-buffer")
    throw new TensorError(
      "BACKEND_TENSOR_LOCATION",
      `expected ${what} on the cpu or in a gpu-buffer, got location ${tensor.location}; download it with getData(), or request gpu-buffer outputs from the session`,
    );
  const { size, usage } = tensor.gpuBuffer;
  if ((usage & COPY_SOURCE) === 0)
    throw new TensorError(
      "BACKEND_TENSOR_BUFFER",
      `expected ${what} in a buffer with the usage COPY_SRC, got usage ${usage}; create the buffer with GPUBufferUsage.COPY_SRC`,
    );
  const sizeBytes = 4 * tensor.dims.reduce((product, dim) => product * dim, 1);
  if (size < sizeBytes)
    throw new TensorError(
      "BACKEND_TENSOR_BUFFER",
      `expected ${what} in a buffer of at least ${sizeBytes} bytes, got ${size}; create a buffer that holds all of the tensor's dims`,
    );
};

/** Copies rows of tensors on the device, whose buffers must have the usage COPY_SRC. */
export const deviceRows =
  (engine: Engine, shape: LayerShape, { query, key, value }: DeviceCall): RowsOfCall =>
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

/**
 * Downloads keys and values of a call.
 *
 * @throws TensorError `BACKEND_TENSOR_BUFFER` if the device rejects a buffer
 */
export const downloadedRows = async (
  engine: Engine,
  { key, value }: Pick<DeviceCall, "key" | "value">,
): Promise<Record<"key" | "value", Float32Array>> => {
  const [keyBytes, valueBytes] = [key, value].map(
    ({ dims }) => 4 * dims.reduce((product, dim) => product * dim, 1),
  ) as [number, number];
  const staging = await engine.staging.take(keyBytes + valueBytes);
  engine.device.pushErrorScope("validation");
  const commands = new Commands(engine);
  commands.copy(key.gpuBuffer, 0, staging.gpu, 0, keyBytes);
  commands.copy(value.gpuBuffer, 0, staging.gpu, keyBytes, valueBytes);
  commands.submit();
  const error = await engine.loss.during(engine.device.popErrorScope());
  if (error) {
    engine.staging.giveBack(staging);
    throw new TensorError(
      "BACKEND_TENSOR_BUFFER",
      `the GPU rejected the buffer of key or value: ${error.message}; pass buffers of the backend's own device that are not destroyed`,
      { cause: error },
    );
  }
  const rows = new Float32Array(await engine.staging.read(staging, keyBytes + valueBytes));
  return { key: rows.subarray(0, keyBytes / 4), value: rows.subarray(keyBytes / 4) };
};
