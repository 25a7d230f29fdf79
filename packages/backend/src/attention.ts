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
   * @param value float32 `[batch, tokens, kvHeads * valueSize]`; `valueSize` is the head size in most models
   * @returns float32 `[batch, tokens, queryHeads * valueSize]`
   */
  attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor>;
  /**
   * Returns the attention output of a layer that shares the cache of another layer, and appends nothing. The queries are those
   * of the tokens that the other layer has appended since the last call. Each sharing layer must read them before
   * the other layer appends again. Absent if nothing can be shared.
   *
   * @param sharing ordinal among `sharing` of the shape
   * @param query float32 `[batch, tokens, queryHeads * headSize]`, after RoPE, not yet scaled
   * @returns float32 `[batch, tokens, queryHeads * valueSize]`
   */
  read?(sharing: number, query: Tensor): Promise<Tensor>;
}
