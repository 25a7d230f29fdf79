import type { Tensor } from "onnxruntime-common";

/** Fills the gap between two weight segments of a decoder. */
export interface Attention {
  /**
   * Appends `key` and `value` to the layer and returns the attention output of `query`, as the layer's `AttentionSpec`
   * defines it. Query `i` of the call reads the tokens held before the call and tokens `0 .. i` of the call.
   *
   * @param layer ordinal among the layers that have a KV cache
   * @param query float32 `[batch, tokens, queryHeads * headSize]`, after RoPE, not yet scaled
   * @param key float32 `[batch, tokens, kvHeads * headSize]`, after RoPE
   * @param value float32 `[batch, tokens, kvHeads * headSize]`
   * @returns float32 `[batch, tokens, queryHeads * headSize]`
   */
  attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor>;
}
