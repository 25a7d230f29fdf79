import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { joinTokens } from "./join-tokens.ts";
import { listedRanks, mergeSymbols } from "./merge-symbols.ts";
import { type PreTokenizer, preTokenizer } from "./pre-tokenizer.ts";
import { splitAtTokens } from "./split-at-tokens.ts";
import { stringIndex } from "./string-index.ts";
import { specialTokens } from "./token-types.ts";
import { strings } from "./tokenizer-metadata.ts";
import type { Vocabulary } from "./vocabulary.ts";
import { wordMemory } from "./word-memory.ts";

/**
 * Reads byte-level BPE: text is split into words, the bytes of a word are written as characters, and these are merged by
 * rank.
 *
 * @param ends ids that end a generation
 * @throws TokenizerError `TOKENIZER_UNSUPPORTED`, `TOKENIZER_METADATA`
 */
export const byteLevelBpe = (metadata: ReadonlyMap<string, unknown>, ends: readonly number[]): Vocabulary => {
  const tokens = strings(metadata, "tokenizer.ggml.tokens");
  const special = specialTokens(metadata, tokens, ends);
  const specialIds = new Set(special.ids.values());
  const control = new Set(special.control);
  const placeOf = stringIndex(tokens);
  const idOf = (piece: string): number | undefined => (control.has(piece) ? undefined : placeOf(piece));
  const rankOf = listedRanks(strings(metadata, "tokenizer.ggml.merges"));
  const pre = preTokenizer(metadata);
  const words = wordSplitter(pre);
  const wordIds = wordMemory((word) => {
    const pieces = pre.takesWholeWords === true && idOf(word) !== undefined ? [word] : mergeSymbols(word, rankOf);
    return pieces.flatMap((piece) => idOf(piece) ?? []);
  });
  return {
    tokens,
    control: special.control,
    split: splitAtTokens(special.ids.keys()),
    encodeParts: (parts) =>
      parts.flatMap((part, index) => (index % 2 === 1 ? [special.ids.get(part)!] : words(part).flatMap(wordIds))),
    decode: (given) => joinTokens(given, (id) => (specialIds.has(id) ? (tokens[id] ?? "") : bytesOf(tokens[id] ?? ""))),
  };
};

/** The library's declarations of these do not resolve in ES modules. */
interface Steps {
  readonly normalizer: ((text: string) => string) | null;
  readonly pre_tokenizer: (text: string) => string[];
}

/** Splits a text into words, written in GPT-2's characters for bytes. */
const wordSplitter = ({ split, isNfc }: PreTokenizer): ((text: string) => string[]) => {
  const { normalizer, pre_tokenizer: preTokenize } = new HuggingFaceTokenizer(
    {
      normalizer: isNfc === true ? { type: "NFC" } : null,
      pre_tokenizer: split,
      post_processor: null,
      decoder: null,
      // Merging takes longer to prepare there than all else in loading a model.
      model: { type: "BPE", vocab: {}, merges: [] },
      added_tokens: [],
    },
    {},
  ) as unknown as Steps;
  return (text) => (text === "" ? [] : preTokenize(normalizer?.(text) ?? text));
};

const isPrintable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);

/** GPT-2's characters for bytes: printable ones stand for themselves, the others follow U+00FF. */
const BYTES: ReadonlyMap<string, number> = (() => {
  let next = 256;
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCodePoint(isPrintable(byte) ? byte : next++), byte]),
  );
})();

/** Bytes of a token. One that is not written in bytes stands for its text. */
const bytesOf = (token: string): readonly number[] => {
  const bytes = Array.from(token, (character) => BYTES.get(character));
  return bytes.every((byte) => byte !== undefined) ? bytes : [...new TextEncoder().encode(token)];
};
