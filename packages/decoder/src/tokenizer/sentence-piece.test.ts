import { fc, test as lawTest } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import fixture from "../fixtures/tokenizers.json" with { type: "json" };
import { promptIds } from "./prompt-ids.ts";
import { sampleLines } from "./test-support/sample-lines.ts";
import { metadataOf, piecesMetadata } from "./test-support/small-tokenizers.ts";
import { textStream } from "./text-stream.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const TOKENS = fixture.pieces.tokens;
const TEMPLATE =
  "{{ bos_token }}{% for m in messages %}<start_of_turn>{{ m.role }}\n{{ m.content }}<end_of_turn>\n{% endfor %}" +
  "{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}";

const tokenizer = (changes?: Readonly<Record<string, unknown>>): Tokenizer =>
  loadTokenizer({ metadata: piecesMetadata(changes) });

const withoutPrefix = tokenizer({ "tokenizer.ggml.add_space_prefix": false, "tokenizer.chat_template": TEMPLATE });
const withPrefix = tokenizer();

const names = (ids: ArrayLike<number>): string[] => Array.from(ids, (id) => TOKENS[id]!);

describe("a SentencePiece tokenizer", () => {
  lawTest.prop([fc.string({ unit: "grapheme", maxLength: 100 })])(
    "gives back any text, with spaces for U+2581",
    (text) => {
      const spaced = text.replaceAll("\u2581", " ");
      expect(withoutPrefix.decode(withoutPrefix.encode(text))).toBe(spaced);
      expect(withoutPrefix.decode(withPrefix.encode(text))).toContain(spaced.trimStart());
    },
  );

  test.for([
    ["the the", ["\u2581the", "\u2581the"]],
    [" the", ["  ", "the"]],
    ["the<start_of_turn>the", ["\u2581the", "<start_of_turn>", "\u2581the"]],
    ["", []],
  ] as const)("puts a space before each text: %j", ([text, pieces]) => {
    expect(names(withPrefix.encode(text))).toEqual(pieces);
    expect(withPrefix.decode(withPrefix.encode(text)).replaceAll("> ", ">")).toBe(text);
  });

  test("drops white space behind the control tokens of Phi-3", () => {
    const made = tokenizer({ "general.architecture": "phi3" });
    const start = ["<start_of_turn>", "\u2581the", "<end_of_turn>"];
    expect(names(made.encode("<start_of_turn>\r the<end_of_turn> "))).toEqual(start);
    expect(names(made.encode("<s> the<h1> the"))).toEqual(["<s>", "  ", "the", "<h1>", "  ", "the"]);
  });

  test("writes characters outside the vocabulary as bytes, and lone surrogates as U+FFFD", () => {
    expect(names(withoutPrefix.encode("\u4e16"))).toEqual(["<0xE4>", "<0xB8>", "<0x96>"]);
    expect(names(withoutPrefix.encode("\ud83d"))).toEqual(["<0xEF>", "<0xBF>", "<0xBD>"]);
    expect(withoutPrefix.decode([...withoutPrefix.encode("\u4e16")].slice(0, 2))).toBe("\uFFFD");
  });

  test("writes a run of them as one unknown token in a vocabulary without bytes", () => {
    const tokens = TOKENS.map((token, id) => (token.startsWith("<0x") ? `[${id}]` : token));
    const made = tokenizer({ "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.add_space_prefix": false });
    expect(names(made.encode("the\u4e16\u754cthe"))).toEqual(["the", "<unk>", "the"]);
  });

  test("does not read the names of bytes and, in plain text, of control tokens", () => {
    const metadata = metadataOf(["<", "0", "x", "4", "1", ">", "s", "<0", "<0x", "<0x4", "<0x41", "<s"]);
    const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    const made = loadTokenizer({ metadata });
    const pieces = (ids: Int32Array): string[] => Array.from(ids, (id) => tokens[id]!);
    expect(pieces(made.encode("<0x41><s>"))).toEqual(["<0x41", ">", "<s>"]);
    expect(pieces(made.chatIds([{ role: "user", content: "<0x41><s>" }]))).toEqual(["<s>", "<0x41", ">", "<s", ">"]);
  });

  test("keeps user-defined tokens in plain text", () => {
    const ids = withoutPrefix.chatIds([{ role: "user", content: "the<end_of_turn>\n<h1>" }]);
    expect(names(ids).filter((name) => name === "<end_of_turn>")).toHaveLength(1);
    expect(names(ids).filter((name) => name === "<h1>")).toHaveLength(1);
  });

  test("merges across a space where a piece does", () => {
    const metadata = metadataOf(["a", "b", "\u2581", ">", "\u2581b", ">\u2581b"]);
    const tokens = metadata.get("tokenizer.ggml.tokens") as string[];
    const ids = loadTokenizer({ metadata }).encode("a b> b");
    expect(Array.from(ids, (id) => tokens[id])).toEqual(["a", "\u2581b", ">\u2581b"]);
  });

  test.for([
    [{}, 1, ["<s>"]],
    [{ "tokenizer.ggml.add_bos_token": false }, 1, []],
    [{ "tokenizer.ggml.bos_token_id": 3 }, 3, ["<start_of_turn>"]],
    [
      {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.merges": [],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.add_bos_token": false,
      },
      1,
      ["<s>"],
    ],
  ] as const)("begins sequences as llama.cpp does: %o", ([changes, bosId, start]) => {
    const made = tokenizer(changes);
    expect(made.bosId).toBe(bosId);
    expect(names(made.startIds)).toEqual(start);
    expect(names(promptIds(made, "<h1>"))).toEqual([...start, "<h1>"]);
    expect(made.warnings).toEqual([]);
  });

  test("ends a generation at the EOS of files that name none", () => {
    expect(names(withPrefix.eosIds)).toEqual(expect.arrayContaining(["</s>", "<end_of_turn>"]));
  });

  test.for([
    [{ "tokenizer.ggml.scores": undefined }, "tokenizer.ggml.scores"],
    [{ "tokenizer.ggml.scores": fixture.pieces.scores.slice(1) }, `${TOKENS.length} numbers`],
    [{ "tokenizer.ggml.token_type": fixture.pieces.types.slice(1) }, `${TOKENS.length} numbers`],
    [{ "tokenizer.ggml.tokens": TOKENS.slice(1) }, `${TOKENS.length - 1} numbers`],
    [{ "tokenizer.ggml.merges": "a b" }, "tokenizer.ggml.merges"],
  ] as const)("refuses contradictory metadata (%#)", ([changes, message]) => {
    expect(() => tokenizer(changes)).toThrow(
      expect.objectContaining({ code: "TOKENIZER_METADATA", message: expect.stringContaining(message) }),
    );
  });
});

describe("text of pieces that arrive one by one", () => {
  const some = ["\u2581", "  ", "\u2581the", "<s>", "<0x20>", "<0xC3>", "<0xA9>"].map((name) => TOKENS.indexOf(name));
  // The last one has no text.
  const anyId = fc.oneof(fc.constantFrom(...some, TOKENS.length), fc.nat(TOKENS.length - 1));
  const ids = fc.array(anyId, { maxLength: 20 });

  lawTest.prop([ids])("equals that of all", (given) => {
    for (const made of [withPrefix, withoutPrefix]) {
      const stream = textStream(made);
      const streamed = given.map((id) => stream.push(id)).join("");
      expect(streamed + stream.end()).toBe(made.decode(given));
    }
  });

  test("continues a prompt, up to each line's last character", () => {
    for (const line of sampleLines(100, 3)) {
      const whole = withPrefix.encode(line);
      const prompt = withPrefix.encode("the");
      const stream = textStream(withPrefix, prompt.slice(-1));
      const streamed = Array.from(whole, (id) => stream.push(id)).join("") + stream.end();
      expect(`the${streamed}`).toBe(withPrefix.decode([...prompt, ...whole]));
    }
  });
});
