import { joinTokens } from "./join-tokens.ts";
import { listedRanks, type MergeRank, mergeSymbols } from "./merge-symbols.ts";
import { splitAtTokens } from "./split-at-tokens.ts";
import { type SpecialTokens, specialTokens } from "./token-types.ts";
import { numbers, optionalId, strings } from "./tokenizer-metadata.ts";
import type { Vocabulary } from "./vocabulary.ts";
import { wordMemory } from "./word-memory.ts";

/** Stands for a space in pieces. */
const SPACE = "\u2581";
const BYTE_TOKEN = /^<0x([\dA-F]{2})>$/;

/**
 * Reads a vocabulary of SentencePiece: pieces of text, merged by rank, and a token per byte for all other characters.
 * Merges are ranked as the file lists them, otherwise by the score of the merged piece. Gives the ids of Hugging Face's
 * `LlamaTokenizerFast` and `GemmaTokenizerFast`.
 *
 * @param ends ids that end a generation
 * @throws TokenizerError `TOKENIZER_METADATA`
 */
export const sentencePiece = (metadata: ReadonlyMap<string, unknown>, ends: readonly number[]): Vocabulary => {
  const tokens = strings(metadata, "tokenizer.ggml.tokens");
  const special = specialTokens(metadata, tokens, ends);
  const written = writtenForms(special.ids);
  const trims = trimmingTokens(metadata, special.control);
  const startsWithSpace = metadata.get("tokenizer.ggml.add_space_prefix") === true;
  const bytes = byteTokens(tokens);
  const ids = pieceIds(tokens, special, bytes);
  const words = wordSplitter(ids.keys());
  const rankOf = mergeRanks(metadata, tokens, ids);
  const unknownId = optionalId(metadata, "tokenizer.ggml.unknown_token_id") ?? 0;
  const idsOf = (piece: string): readonly number[] => {
    const id = ids.get(piece);
    if (id !== undefined) return [id];
    const fallback = Array.from(new TextEncoder().encode(piece), (byte) => bytes.ids[byte]);
    return fallback.every((byte) => byte !== undefined) ? fallback : [unknownId];
  };
  const wordIds = wordMemory((word) => mergeSymbols(word, rankOf).flatMap(idsOf));
  const encodePlain = (text: string): number[] => {
    const given = (startsWithSpace ? SPACE : "") + text.replaceAll(" ", SPACE);
    const found = words(given).flatMap(wordIds);
    return found.filter((id, index) => id !== unknownId || found[index - 1] !== unknownId);
  };
  return {
    tokens,
    control: special.control,
    split: splitAtTokens(written.keys()),
    encodeParts: (parts) =>
      parts.flatMap((part, index) => {
        if (index % 2 === 1) return [written.get(part)!];
        const text = trims(parts[index - 1]) ? part.replace(/^\p{White_Space}+/u, "") : part;
        return text === "" ? [] : encodePlain(text);
      }),
    decode: (given) => {
      const text = joinTokens(given, (id) => bytes.values.get(id) ?? (tokens[id] ?? "").replaceAll(SPACE, " "));
      return startsWithSpace && text.startsWith(" ") ? text.slice(1) : text;
    },
  };
};

/** Which tokens drop the white space after them. GGUF files do not say; in Phi-3, control tokens do, except these. */
const trimmingTokens = (
  metadata: ReadonlyMap<string, unknown>,
  control: readonly string[],
): ((token: string | undefined) => boolean) => {
  const trimming = new Set<string | undefined>(metadata.get("general.architecture") === "phi3" ? control : []);
  for (const token of ["<unk>", "<s>", "<|endoftext|>"]) trimming.delete(token);
  return (token) => trimming.has(token);
};

const isSpaces = (text: string): boolean => /^ {2,}$/.test(text);

/**
 * Special tokens by how a text may spell them: spaces as such, or as in pieces. Runs of spaces are left to merging, which
 * finds them as well.
 */
const writtenForms = (special: ReadonlyMap<string, number>): ReadonlyMap<string, number> => {
  const forms = new Map<string, number>();
  for (const [text, id] of special) {
    forms.set(text.replaceAll(" ", SPACE), id);
    if (!isSpaces(text)) forms.set(text, id);
  }
  return forms;
};

/** Ids of pieces that a text may become. Plain text cannot become a control token or a byte. */
const pieceIds = (
  tokens: readonly string[],
  special: SpecialTokens,
  bytes: ByteTokens,
): ReadonlyMap<string, number> => {
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) ids.set(token, id);
  for (const id of bytes.values.keys()) ids.delete(tokens[id]!);
  for (const [text, id] of special.ids) if (isSpaces(text)) ids.set(text.replaceAll(" ", SPACE), id);
  for (const token of special.control) ids.delete(token);
  return ids;
};

/**
 * Splits a text before its spaces, except after characters that a space follows in some piece. No merge crosses
 * such a split, so the pieces stay the same.
 */
const wordSplitter = (pieces: Iterable<string>): ((text: string) => string[]) => {
  const joined = new Set<string>([SPACE]);
  for (const piece of pieces)
    for (let at = piece.indexOf(SPACE, 1); at > 0; at = piece.indexOf(SPACE, at + 1)) joined.add(piece[at - 1]!);
  const codes = [...joined].map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const boundary = new RegExp(`(?<=[^${codes.join("")}])(?=${SPACE})`);
  return (text) => text.split(boundary);
};

const mergeRanks = (
  metadata: ReadonlyMap<string, unknown>,
  tokens: readonly string[],
  ids: ReadonlyMap<string, number>,
): MergeRank => {
  if (metadata.has("tokenizer.ggml.merges")) return listedRanks(strings(metadata, "tokenizer.ggml.merges"));
  const scores = numbers(metadata, "tokenizer.ggml.scores", tokens.length);
  return (left, right) => {
    const id = ids.get(left + right);
    if (id === undefined) return undefined;
    // Files do not keep the score of a run of spaces that is a token; the longest merges first.
    return isSpaces(tokens[id]!) ? Number.NEGATIVE_INFINITY : -scores[id]!;
  };
};

interface ByteTokens {
  /** Id of each byte's token. */
  readonly ids: readonly (number | undefined)[];
  /** The byte by the token's id. */
  readonly values: ReadonlyMap<number, readonly number[]>;
}

const byteTokens = (tokens: readonly string[]): ByteTokens => {
  const ids: (number | undefined)[] = Array.from({ length: 256 });
  const values = new Map<number, readonly number[]>();
  for (const [id, token] of tokens.entries()) {
    const digits = BYTE_TOKEN.exec(token)?.[1];
    if (digits === undefined) continue;
    const byte = Number.parseInt(digits, 16);
    ids[byte] = id;
    values.set(id, [byte]);
  }
  return { ids, values };
};
