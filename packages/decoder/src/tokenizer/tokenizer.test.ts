import { fc, test as lawTest } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { endTokens } from "./end-tokens.ts";
import { promptIds } from "./prompt-ids.ts";
import { byteLevelTokens } from "./test-support/byte-level-tokens.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const HALF = ["Â½", "ĠÂ½"];
const MERGED = ["th", "the", "Ġthe", "12", "ĠĠ", "ĊĠ", ...HALF, "¿!", "zz"];
const SPECIAL = ["<s>", "<tool>", "<|im_start|>", "<|im_end|>"];
const TOKENS = [...byteLevelTokens(), ...MERGED, ...SPECIAL];
const MERGES = ["t h", "th e", "Ġ the", "1 2", "Ġ Ġ", "Ċ Ġ", "Â ½", "Ġ Â½", "¿ !"];
const BOS = TOKENS.indexOf("<s>");
/** Control tokens; `<tool>` is one that users may write. */
const TOKEN_TYPES = TOKENS.map((token) => (!SPECIAL.includes(token) ? 1 : token === "<tool>" ? 4 : 3));

const entries = (changes: Readonly<Record<string, unknown>> = {}): Map<string, unknown> =>
  new Map<string, unknown>(
    Object.entries({
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "smollm",
      "tokenizer.ggml.tokens": TOKENS,
      "tokenizer.ggml.token_type": TOKEN_TYPES,
      "tokenizer.ggml.merges": MERGES,
      "tokenizer.ggml.bos_token_id": BOS,
      "tokenizer.ggml.eos_token_id": TOKENS.length - 1,
      "tokenizer.chat_template":
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" +
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
      ...changes,
    }),
  );

const tokenizer = (changes?: Readonly<Record<string, unknown>>): Tokenizer =>
  loadTokenizer({ metadata: entries(changes) });

const names = (ids: Int32Array): string[] => Array.from(ids, (id) => TOKENS[id]!);

const tokensOf = (from: Tokenizer, text: string): string[] => names(from.encode(text));

const messageOf = (work: () => unknown): string => {
  try {
    return String(work());
  } catch (error) {
    return (error as Error).message;
  }
};

describe("a byte-level tokenizer", () => {
  const anyText = fc.string({ unit: "grapheme", maxLength: 200 });

  lawTest.prop([anyText, fc.constantFrom("smollm", "gpt-2", "default", "llama-bpe")])(
    "gives back any text",
    (text, pre) => {
      const made = tokenizer({ "tokenizer.ggml.pre": pre });
      expect(made.decode(made.encode(text))).toBe(text);
    },
  );

  lawTest.prop([anyText])("gives back the NFC form where the model wants that", (text) => {
    const made = tokenizer({ "tokenizer.ggml.pre": "qwen2" });
    expect(made.decode(made.encode(text))).toBe(text.normalize("NFC"));
  });

  test("merges by rank and never across a split", () => {
    expect(tokensOf(tokenizer(), "the the")).toEqual(["the", "Ġthe"]);
    expect(tokensOf(tokenizer({ "tokenizer.ggml.pre": "gpt-2" }), "123")).toEqual(["12", "3"]);
    expect(tokensOf(tokenizer(), "123")).toEqual(["1", "2", "3"]);
  });

  test.for([
    ["llama-bpe", ["zz"]],
    ["tekken", ["zz"]],
    ["dbrx", ["z", "z"]],
  ] as const)("takes a word that is a token as one where the family does: %s", ([pre, tokens]) => {
    expect(tokensOf(tokenizer({ "tokenizer.ggml.pre": pre }), "zz")).toEqual(tokens);
  });

  test("takes special tokens whole and puts none in front", () => {
    expect(tokensOf(tokenizer(), "<|im_start|>the<|im_end|>")).toEqual(["<|im_start|>", "the", "<|im_end|>"]);
  });

  test.for([
    [{}, false],
    [{ "tokenizer.ggml.pre": "llama-bpe" }, true],
    [{ "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": false }, false],
    [{ "tokenizer.ggml.add_bos_token": true }, true],
    [{ "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.bos_token_id": undefined }, false],
  ] as const)(
    "begins a text and a conversation with one BOS where the file asks for it: %o %s",
    ([changes, isAsked]) => {
      const start = isAsked ? ["<s>"] : [];
      const made = tokenizer({ "tokenizer.ggml.bos_token_id": BOS, ...changes });
      expect(names(promptIds(made, "the"))).toEqual([...start, "the"]);
      const conversation = [{ role: "user", content: "the" }] as const;
      const template = "{{ messages[0].content }}";
      for (const [front, bos] of [
        ["", start],
        ["{{ bos_token }}", "tokenizer.ggml.bos_token_id" in changes ? [] : ["<s>"]],
        ["<s>", ["<s>"]],
      ] as const) {
        const writing = tokenizer({
          "tokenizer.ggml.bos_token_id": BOS,
          "tokenizer.chat_template": front + template,
          ...changes,
        });
        expect(names(promptIds(writing, conversation))).toEqual([...bos, "the"]);
      }
    },
  );

  test("takes texts of more tokens than a call has arguments", () => {
    const made = tokenizer({
      "tokenizer.ggml.add_bos_token": true,
      "tokenizer.chat_template": "{{ messages[0].content }}",
    });
    const text = "the the\n".repeat(65_536);
    for (const prompt of [text, [{ role: "user", content: `<s>${text}` } as const]])
      expect(promptIds(made, prompt).length).toBeGreaterThanOrEqual(196_609);
  });

  test("renders the chat template up to the assistant's turn", () => {
    expect(tokenizer().chatPrompt([{ role: "user", content: "Hi" }])).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  test.for([
    ["smollm", " ½", ["Ġ", "Â½"]],
    ["gpt-2", " ½", ["ĠÂ½"]],
    ["smollm", "\uFEFF!", ["ï", "»", "¿!"]],
    ["gpt-2", "\uFEFF!", ["ï", "»", "¿!"]],
    ["gpt-2", "\u0085  the", ["Â", "ħ", "Ġ", "Ġthe"]],
  ] as const)("splits numbers and white space as Unicode has them: %s %j", ([pre, text, tokens]) => {
    expect(tokensOf(tokenizer({ "tokenizer.ggml.pre": pre }), text)).toEqual(tokens);
  });

  test("warns when the file does not say how text is split", () => {
    expect(tokenizer().warnings).toEqual([]);
    const entry = entries();
    entry.delete("tokenizer.ggml.pre");
    const made = loadTokenizer({ metadata: entry });
    expect(made.warnings).toEqual([expect.stringContaining("tokenizer.ggml.pre")]);
    expect(tokensOf(made, "123")).toEqual(["12", "3"]);
  });

  test.for([
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.model": "t5" }, "unigram model is missing"],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.model": "bert" }, "WordPiece is missing"],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.model": "toString" }, 'got "toString"; use'],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.pre": "qwen9" }, "the nearest name is qwen2"],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.pre": "gpt4o" }, "the nearest name is gpt-4o"],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.pre": "toString" }, 'got "toString"'],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.tokens": undefined }, "a list of strings"],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.merges": [1] }, "a list of strings"],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.token_type": [1] }, `${TOKENS.length} numbers`],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.token_type": TOKENS.map(() => "1") }, `${TOKENS.length} numbers`],
  ] as const)("refuses metadata with %s (%#)", ([code, changes, message]) => {
    expect(() => tokenizer(changes)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test("splits text in every way that an error lists", () => {
    const [, listed] = /one of (.*), got/.exec(messageOf(() => tokenizer({ "tokenizer.ggml.pre": "?" }))) ?? [];
    expect(listed?.split(", ").length).toBeGreaterThan(20);
    for (const name of listed!.split(", ")) {
      const made = tokenizer({ "tokenizer.ggml.pre": name });
      expect(made.decode(made.encode("the  the\n12½ Ünicode"))).toBe("the  the\n12½ Ünicode");
    }
  });

  test("says that there is no chat template, or that it fails", () => {
    const prompt = (template: unknown) => (): string =>
      tokenizer({ "tokenizer.chat_template": template }).chatPrompt([{ role: "user", content: "Hi" }]);
    expect(prompt(undefined)).toThrow(expect.objectContaining({ code: "TOKENIZER_NO_CHAT_TEMPLATE" }));
    expect(prompt("{% if %}")).toThrow(expect.objectContaining({ code: "TOKENIZER_CHAT_TEMPLATE" }));
  });
});

describe("tokens of a conversation", () => {
  const piece = fc.constantFrom(
    "the",
    " ",
    "\n",
    "½",
    "<|im_end|>",
    "<|im_start|>",
    "<s>",
    "<tool>",
    "<|im_",
    "end|>",
    "\uFDD0",
    "1",
  );
  const content = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(""));
  const made = tokenizer();
  const count = (ids: Int32Array, name: string): number => names(ids).filter((token) => token === name).length;

  lawTest.prop([fc.array(content, { minLength: 1, maxLength: 3 })])(
    "give its text, without turns that a user's text would open",
    (contents) => {
      const messages = contents.map((text) => ({ role: "user", content: text }) as const);
      const ids = made.chatIds(messages);
      expect(made.decode(ids)).toBe(made.chatPrompt(messages));
      expect(count(ids, "<|im_start|>")).toBe(messages.length + 1);
      expect(count(ids, "<|im_end|>")).toBe(messages.length);
      expect(count(ids, "<s>")).toBe(0);
      expect(count(ids, "<tool>")).toBe(contents.join("|").split("<tool>").length - 1);
      expect(made.chatIds(messages, { specialTokens: true })).toEqual(made.encode(made.chatPrompt(messages)));
    },
  );

  test("are read in what a system and an assistant wrote", () => {
    const messages = [
      { role: "system", content: "the<s>" },
      { role: "assistant", content: "<s>the" },
    ] as const;
    expect(count(made.chatIds(messages), "<s>")).toBe(2);
  });
});

describe("tokens that end a generation", () => {
  test.for([
    [["<|eot_id|>", "<|eom_id|>", "<|end_of_text|>"], {}, [0, 1, 2]],
    [["a", "<|im_end|>", "<|endoftext|>", "</s>"], { eos: 0 }, [0, 1, 2, 3]],
    [["a", "b", "c", "<end_of_turn>"], { eos: 1, eot: 0, eom: 2 }, [0, 1, 2, 3]],
    [["<|start|>", "<|end|>", "<|return|>", "<|call|>"], {}, [2, 3]],
    [["<|end|>", "<|return|>"], {}, [0, 1]],
    [["<|fim_pad|>", "<|repo_name|>", "<|file_sep|>", "<|fim_prefix|>"], {}, [0, 1, 2]],
    [["<|fim_pad|>", "a"], { fim_pad: 1 }, [1]],
    [["a", "b"], { eos: 7 }, []],
  ] as const)("are those that llama.cpp stops at: %o %o", ([tokens, named, ids]) => {
    const keys = Object.entries(named).map(([key, id]) => [`tokenizer.ggml.${key}_token_id`, id] as const);
    expect(new Set(endTokens(new Map(keys), tokens))).toEqual(new Set(ids));
  });
});
