/** What sets an architecture apart from `llama`. Everything else is read the same way for all of them. */
export interface Family {
  /** Rows of a head in `attn_q` and `attn_k` that RoPE rotates together: `2i` and `2i + 1`, or `i` and `i + half`. */
  readonly ropeRows: "neighbours" | "halves";
  /** Whether query, key and value must have a bias. A bias that the file has is always added. */
  readonly needsBias: boolean;
  /** Whether each head of query and key has an RMS norm before RoPE: `attn_q_norm`, `attn_k_norm`, `[headSize]`. */
  readonly hasHeadNorms: boolean;
}
