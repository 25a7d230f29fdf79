import type { Tensor } from "onnxruntime-common";

/** What fills the hole between two weight segments of a decoder. */
export interface Attention {
  /**
   * Appends `key` and `value` to what the layer holds and returns the attention output of `query`.
   *
   * @param layer ordinal among the layers that have a KV cache
   * @param query float32 `[tokens, queryHeads * headSize]`, after RoPE
   * @param key float32 `[tokens, kvHeads * headSize]`, after RoPE
   * @param value float32 `[tokens, kvHeads * headSize]`
   * @returns float32 `[tokens, queryHeads * headSize]`
   */
  attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor>;
}
