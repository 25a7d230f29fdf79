import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { expect, test } from "vitest";
import { tokenizerMetadata } from "./tokenizer-json.ts";
import { loadTokenizer } from "./tokenizer.ts";

const added = (id: number, content: string, flags: object = {}): object => ({
  id,
  content,
  special: true,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  ...flags,
});

const PIECES = ["<unk>", "\u2581", "a", "b", "\n", "\u2581a", "\u2581b", "ab", "<s>"];

const tokenizerJson = (preTokenizer: object, flags: object): object => ({
  normalizer: null,
  pre_tokenizer: preTokenizer,
  post_processor: null,
  decoder: null,
  model: {
    type: "BPE",
    vocab: Object.fromEntries(PIECES.map((piece, id) => [piece, id])),
    merges: [
      ["\u2581", "a"],
      ["\u2581", "b"],
      ["a", "b"],
    ],
    unk_token: "<unk>",
  },
  added_tokens: [added(8, "<s>", flags)],
});

const schemes = ["first", "always", "never"].map((scheme) => ({
  type: "Metaspace",
  replacement: "\u2581",
  prepend_scheme: scheme,
  split: true,
}));

test.each(
  schemes.flatMap((scheme) => [{}, { lstrip: true }, { rstrip: true }].map((flags) => [scheme, flags] as const)),
)("ids equal those of the library with %o and %o", (scheme, flags) => {
  const json = tokenizerJson(scheme, flags);
  const tokenizer = loadTokenizer({ metadata: tokenizerMetadata({ tokenizer: JSON.stringify(json) }) });
  const library = new HuggingFaceTokenizer(json, {});
  for (const text of ["a", "ab b", "<s>a", "a <s> b", "a\n<s>\nb<s>", " <s>", "<s><s> a", ""])
    expect([text, ...tokenizer.encode(text)]).toEqual([
      text,
      ...library.encode(text, { add_special_tokens: false }).ids,
    ]);
});
