import fixture from "../../fixtures/tokenizers.json" with { type: "json" };

/** Metadata of a small SentencePiece vocabulary. */
export const piecesMetadata = (changes: Readonly<Record<string, unknown>> = {}): Map<string, unknown> =>
  new Map<string, unknown>(
    Object.entries({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.pre": "default",
      "tokenizer.ggml.tokens": fixture.pieces.tokens,
      "tokenizer.ggml.token_type": fixture.pieces.types,
      "tokenizer.ggml.scores": fixture.pieces.scores,
      ...changes,
    }).filter(([, value]) => value !== undefined),
  );

/** Merges of these pieces in the order in which Hugging Face's converter lists them. */
export const mergesByScore = (): string[] => {
  const { tokens, scores } = fixture.pieces;
  const pieces = tokens.map((token) => (/^ +$/.test(token) ? token.replaceAll(" ", "\u2581") : token));
  const known = new Set(pieces);
  const merges = pieces.flatMap((piece, id) =>
    Array.from(
      { length: Math.max(piece.length - 1, 0) },
      (_, index) => [piece.slice(0, index + 1), piece.slice(index + 1)] as const,
    )
      .filter(([left, right]) => known.has(left) && known.has(right))
      .map(([left, right]) => ({ left, right, score: scores[id]! })),
  );
  merges.sort(
    (one, other) =>
      other.score - one.score || other.left.length - one.left.length || other.right.length - one.right.length,
  );
  return merges.map(({ left, right }) => `${left} ${right}`);
};
