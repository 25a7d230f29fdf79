import { fc, test as lawTest } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { promptIds } from "./prompt-ids.ts";
import { splitText } from "./split-text.ts";
import { byteLevelTokens } from "./test-support/byte-level-tokens.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const TOKENS = [...byteLevelTokens(), "th", "the", "Ġthe", "12", "ĠĠ", "ĊĠ", "<|im_start|>", "<|im_end|>"];
const MERGES = ["t h", "th e", "Ġ the", "1 2", "Ġ Ġ", "Ċ Ġ"];

const entries = (changes: Readonly<Record<string, unknown>> = {}): Map<string, unknown> =>
  new Map<string, unknown>(
    Object.entries({
      "tokenizer.ggml.model": "gpt2",
      "tokenizer.ggml.pre": "smollm",
      "tokenizer.ggml.tokens": TOKENS,
      "tokenizer.ggml.token_type": TOKENS.map((token) => (token.startsWith("<|") ? 3 : 1)),
      "tokenizer.ggml.merges": MERGES,
      "tokenizer.ggml.bos_token_id": TOKENS.length - 2,
      "tokenizer.ggml.eos_token_id": TOKENS.length - 1,
      "tokenizer.chat_template":
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}" +
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
      ...changes,
    }),
  );

const tokenizer = (changes?: Readonly<Record<string, unknown>>): Tokenizer =>
  loadTokenizer({ metadata: entries(changes) });

const tokensOf = (from: Tokenizer, text: string): string[] => [...from.encode(text)].map((id) => TOKENS[id]!);

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

  test("takes special tokens whole and puts none in front", () => {
    expect(tokensOf(tokenizer(), "<|im_start|>the<|im_end|>")).toEqual(["<|im_start|>", "the", "<|im_end|>"]);
  });

  test.for([
    [{}, false],
    [{ "tokenizer.ggml.pre": "llama-bpe" }, true],
    [{ "tokenizer.ggml.pre": "llama-bpe", "tokenizer.ggml.add_bos_token": false }, false],
    [{ "tokenizer.ggml.add_bos_token": true }, true],
    [{ "tokenizer.ggml.add_bos_token": true, "tokenizer.ggml.bos_token_id": undefined }, false],
  ] as const)("begins a text with BOS where the file asks for it, and no conversation: %o %s", ([changes, isAsked]) => {
    const made = tokenizer(changes);
    const start = isAsked ? ["<|im_start|>"] : [];
    expect([...promptIds(made, "the")].map((id) => TOKENS[id]!)).toEqual([...start, "the"]);
    const conversation = [{ role: "user", content: "the" }] as const;
    expect(promptIds(made, conversation)).toEqual(made.encode(made.chatPrompt(conversation)));
  });

  test("renders the chat template up to the assistant's turn", () => {
    expect(tokenizer().chatPrompt([{ role: "user", content: "Hi" }])).toBe(
      "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });

  test.for([
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.model": "llama" }],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.pre": "unheard-of" }],
    ["TOKENIZER_UNSUPPORTED", { "tokenizer.ggml.pre": "toString" }],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.tokens": undefined }],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.merges": [1] }],
    ["TOKENIZER_METADATA", { "tokenizer.ggml.token_type": [1] }],
  ] as const)("refuses metadata with %s (%#)", ([code, changes]) => {
    expect(() => tokenizer(changes)).toThrow(expect.objectContaining({ code }));
  });

  test("says that there is no chat template, or that it fails", () => {
    const prompt = (template: unknown) => (): string =>
      tokenizer({ "tokenizer.chat_template": template }).chatPrompt([{ role: "user", content: "Hi" }]);
    expect(prompt(undefined)).toThrow(expect.objectContaining({ code: "TOKENIZER_NO_CHAT_TEMPLATE" }));
    expect(prompt("{% if %}")).toThrow(expect.objectContaining({ code: "TOKENIZER_CHAT_TEMPLATE" }));
  });
});

describe("splitText", () => {
  const words = fc.array(
    fc.constantFrom("the", " the", " ", "  ", "\n  ", "\n", "12", "<|im_start|>", "it's", "é", "😀"),
    {
      minLength: 1000,
      maxLength: 3000,
    },
  );

  lawTest.prop([words, fc.constantFrom("smollm", "llama-bpe", "qwen2")], { numRuns: 25, endOnFailure: true })(
    "cuts only where the tokens stay the same",
    (list, pre) => {
      const text = list.join("");
      const made = tokenizer({ "tokenizer.ggml.pre": pre });
      const parts = splitText(text);
      expect(parts.length).toBeGreaterThan(1);
      expect(parts.join("")).toBe(text);
      // Tokens of neighbours taken together, in pieces that are short enough not to be cut again.
      for (let index = 1; index < parts.length; index++) {
        const [before, after] = [parts[index - 1]!.slice(-600), parts[index]!.slice(0, 600)];
        expect(made.encode(before + after)).toEqual(Int32Array.of(...made.encode(before), ...made.encode(after)));
      }
    },
  );
});
