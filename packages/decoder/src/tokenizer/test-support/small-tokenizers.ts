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

const USER_DEFINED = 4;

/** Merges of these pieces in the order in which Hugging Face's converter lists them. */
export const mergesByScore = (): string[] => {
  const { tokens, scores, types } = fixture.pieces;
  const pieces = tokens.map((token) => (/^ {2,}$/.test(token) ? token.replaceAll(" ", "\u2581") : token));
  const known = new Set(pieces);
  const merges = pieces.flatMap((piece, id) =>
    Array.from(
      { length: Math.max(piece.length - 1, 0) },
      (_, index) => [piece.slice(0, index + 1), piece.slice(index + 1)] as const,
    )
      .filter(([left, right]) => known.has(left) && known.has(right))
      .map(([left, right]) => ({ left, right, score: types[id] === USER_DEFINED ? 0 : scores[id]! })),
  );
  merges.sort(
    (one, other) =>
      other.score - one.score || other.left.length - one.left.length || other.right.length - one.right.length,
  );
  return merges.map(({ left, right }) => `${left} ${right}`);
};

/** Metadata of a SentencePiece vocabulary of these pieces, the first of which merge first. */
export const metadataOf = (pieces: readonly string[]): Map<string, unknown> => {
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...pieces];
  return new Map<string, unknown>(
    Object.entries({
      "tokenizer.ggml.model": "llama",
      "tokenizer.ggml.add_space_prefix": false,
      "tokenizer.ggml.tokens": tokens,
      "tokenizer.ggml.scores": tokens.map((_, id) => 0 - id),
      "tokenizer.ggml.token_type": tokens.map((token) =>
        /^<.*>$/.test(token) ? (token.startsWith("<0x") ? 6 : 3) : 1,
      ),
      "tokenizer.chat_template": "{{ messages[0].content }}",
    }),
  );
};
