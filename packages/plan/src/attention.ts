/** Which tokens a query reads: all up to and including its own, or only the newest `span` of them. */
export type AttentionMask = { readonly kind: "causal" } | { readonly kind: "sliding"; readonly span: number };

/**
 * How the queries of one layer attend; a property of the model.
 *
 * Query `q` scores the key `k` of each token that the mask lets it read: `s = cap(scale * (q . k))`, where
 * `cap(x) = softcap * tanh(x / softcap)`. Its output is `sum(exp(s) * v) / (sum(exp(s)) + exp(sinkLogit))`.
 */
export interface AttentionSpec {
  /** Factor of every score; {@link defaultScale} in most models. */
  readonly scale: number;
  readonly mask: AttentionMask;
  /** Largest magnitude of a score (Gemma 2). Without it, scores are not capped. */
  readonly softcap?: number;
  /** One learned logit per query head. It takes a share of the weights but has no value (gpt-oss). */
  readonly sinkLogits?: readonly number[];
  /** Keys and queries arrive with RoPE applied. */
  readonly keyStage: "after-rope";
}

/** The usual factor of scores, `1 / sqrt(headSize)`. */
export const defaultScale = (headSize: number): number => 1 / Math.sqrt(headSize);

/** Causal attention with the usual factor. */
export const plainAttention = (headSize: number): AttentionSpec => ({
  scale: defaultScale(headSize),
  mask: { kind: "causal" },
  keyStage: "after-rope",
});

/** Tokens that a query reads, including its own; Infinity without a span. */
export const spanOf = ({ mask }: AttentionSpec): number => (mask.kind === "sliding" ? mask.span : Infinity);

/** The score `scale * product`, capped where the model caps scores. */
export const scoreOf = ({ scale, softcap }: AttentionSpec, product: number): number =>
  softcap === undefined ? scale * product : softcap * Math.tanh((scale * product) / softcap);
