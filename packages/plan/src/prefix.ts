import type { LayerScheme, TensorScheme } from "./scheme.ts";

/**
 * Tokens of a tensor that are read quantized at cache length `length`:
 * `B * floor(max(0, length - S - W) / B)`, counted from token `S`. Zero for 16-bit tensors.
 */
export const quantizedPrefix = (tensor: TensorScheme, layer: LayerScheme, length: number): number =>
  tensor.bits === 16
    ? 0
    : tensor.blockSize * Math.floor(Math.max(0, length - layer.sinks - layer.window) / tensor.blockSize);
