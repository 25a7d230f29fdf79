import type { CacheShape } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";

/** Query, key and value of a call. */
export type CallTensors = readonly [query: Tensor, key: Tensor, value: Tensor];

/** A call on the CPU, with numbers from -2 to 2 that do not repeat. */
export const cpuCall = ({ queryHeads, kvHeads, headSize }: CacheShape, tokens: number, seed: number): CallTensors => {
  const rows = (heads: number, step: number): Tensor => {
    const width = heads * headSize;
    const numbers = Float32Array.from({ length: tokens * width }, (_, index) => 2 * Math.sin(step * index + seed));
    return new Tensor("float32", numbers, [1, tokens, width]);
  };
  return [rows(queryHeads, 0.37), rows(kvHeads, 0.73), rows(kvHeads, 0.59)];
};

/** The same call in buffers of a device. */
export const deviceCall = (device: GPUDevice, tensors: CallTensors): CallTensors =>
  tensors.map((tensor) => deviceTensor(device, tensor)) as unknown as CallTensors;

const STORAGE_AND_COPIES = 0x80 | 0x4 | 0x8;

const deviceTensor = (device: GPUDevice, { data, dims }: Tensor): Tensor => {
  const numbers = data as Float32Array<ArrayBuffer>;
  const buffer = device.createBuffer({ size: numbers.byteLength, usage: STORAGE_AND_COPIES });
  device.queue.writeBuffer(buffer, 0, numbers);
  return Tensor.fromGpuBuffer(buffer, { dataType: "float32", dims });
};
