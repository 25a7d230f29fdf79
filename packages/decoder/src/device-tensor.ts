import { Tensor } from "onnxruntime-common";

/** Releases device buffers. Tensors on the CPU are kept, because their holders may still read them. */
export const releaseDeviceTensors = (...tensors: readonly Tensor[]): void => {
  for (const tensor of tensors) if (tensor.location !== "cpu") tensor.dispose();
};

/**
 * The same data in other dimensions. Both tensors share a buffer: disposing of either frees it, and so does downloading,
 * which moves the data to the CPU.
 */
export const reshaped = (tensor: Tensor, dims: readonly number[]): Tensor => {
  if (tensor.location !== "gpu-buffer") return tensor.reshape(dims);
  if (tensor.type !== "float32") throw new Error(`expected a float32 tensor in a gpu-buffer, got ${tensor.type}`);
  // Tensor.reshape would lose the download and dispose functions.
  return Tensor.fromGpuBuffer(tensor.gpuBuffer, {
    dataType: "float32",
    dims,
    download: async () => (await tensor.getData(true)) as Float32Array,
    dispose: () => tensor.dispose(),
  });
};
