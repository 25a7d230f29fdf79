import { describe, expect, test } from "vitest";
import fixture from "../fixtures/tokenizers.json" with { type: "json" };
import { hashRows, sampleLines } from "./test-support/sample-lines.ts";
import { mergesByScore, piecesMetadata } from "./test-support/small-tokenizers.ts";
import { loadTokenizer } from "./tokenizer.ts";

/** As in `make-tokenizer-vectors.py`. */
const LINES = sampleLines(2000, 16);

const codePoints = (text: string): number[] => Array.from(text, (character) => character.codePointAt(0)!);

describe("ids and texts of Hugging Face's tokenizers, for 2000 lines", () => {
  test.for([
    ["llama", {}],
    ["gemma", { "tokenizer.ggml.add_space_prefix": false }],
    ["gemma", { "tokenizer.ggml.model": "gemma4", "tokenizer.ggml.merges": mergesByScore() }],
  ] as const)("SentencePiece, as %s (%#)", ([name, changes]) => {
    const tokenizer = loadTokenizer({ metadata: piecesMetadata(changes) });
    const rows = LINES.map((line) => tokenizer.encode(line));
    expect(hashRows(rows)).toEqual(fixture.vectors[name].ids);
    expect(hashRows(rows.map((row) => codePoints(tokenizer.decode(row))))).toEqual(fixture.vectors[name].texts);
  });
});

describe("ids of Hugging Face's tokenizers, for 500 lines", () => {
  const { llama: _llama, gemma: _gemma, ...byPreTokenizer } = fixture.vectors;

  test.for(Object.entries(byPreTokenizer))("byte-level BPE, split as %s", ([name, { ids }]) => {
    const tokenizer = loadTokenizer({
      metadata: new Map<string, unknown>([
        ["tokenizer.ggml.model", "gpt2"],
        ["tokenizer.ggml.pre", name],
        ["tokenizer.ggml.tokens", fixture.bytes.tokens],
        [
          "tokenizer.ggml.token_type",
          fixture.bytes.tokens.map((token) => (token.startsWith("<|im_") && token.endsWith("|>") ? 3 : 1)),
        ],
        ["tokenizer.ggml.merges", fixture.bytes.merges],
      ]),
    });
    expect(hashRows(LINES.slice(0, 500).map((line) => tokenizer.encode(line)))).toEqual(ids);
  });
});
