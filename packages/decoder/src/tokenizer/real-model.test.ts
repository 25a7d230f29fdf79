import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type FileSource, openFileSource } from "../gguf/file-source.ts";
import { type GgufFile, openGguf } from "../gguf/gguf.ts";
import { cachedModel } from "../test-support/cached-model.ts";
import { hashRows, sampleLines } from "./test-support/sample-lines.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const shared = process.env["KVTUNER_SHARED"];
const path = cachedModel();

/** The library's tokenizer, set up independently. */
const encodeWhole = (metadata: GgufFile["metadata"], text: string): Int32Array => {
  const tokens = metadata.get("tokenizer.ggml.tokens") as readonly string[];
  const json = {
    normalizer: null,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Digits", individual_digits: true },
        { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      ],
    },
    post_processor: null,
    decoder: null,
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: metadata.get("tokenizer.ggml.merges"),
    },
    added_tokens: [],
  };
  return Int32Array.from(new HuggingFaceTokenizer(json, {}).encode(text, { add_special_tokens: false }).ids);
};

describe.skipIf(!shared || !path)("SmolLM2's tokenizer (needs KVTUNER_SHARED and `npm run model -- smollm2`)", () => {
  let source: FileSource;
  let file: GgufFile;
  let tokenizer: Tokenizer;
  let text: string;

  beforeAll(async () => {
    source = await openFileSource(path!);
    file = await openGguf(source);
    tokenizer = loadTokenizer(file);
    text = readFileSync(join(shared!, "data", "wikitext2_test.txt"), "utf8");
  });

  afterAll(() => source.close());

  test("gives the ids of an outside tokenizer", () => {
    const oracle = JSON.parse(readFileSync(join(shared!, "data", "oracle_smollm2.json"), "utf8")) as {
      readonly vectors: { readonly ids: readonly number[] };
    };
    const { ids } = oracle.vectors;
    expect(ids.slice(0, 8)).toEqual([3717, 446, 6356, 2067, 5131, 46, 446, 3717]);
    const start = text.slice(0, 8 * ids.length);
    expect([...tokenizer.encode(start).subarray(0, ids.length)]).toEqual(ids);
  });

  test("splits fractions, superscripts and U+FEFF as Hugging Face's tokenizer does", () => {
    for (const [given, ids] of [
      [" ½", [216, 16738]],
      ["a\uFEFFb \uFEFF!", [81, 186, 136, 140, 82, 216, 186, 136, 140, 17]],
      ["25 m² or ½ cup", [34, 37, 283, 19133, 355, 216, 16738, 7118]],
      ["x\u0085\u0085y Ⅷ ٣٤", [104, 141, 223, 141, 223, 105, 216, 173, 223, 117, 216, 164, 113, 164, 114]],
    ] as const)
      expect([...tokenizer.encode(given)]).toEqual(ids);
  });

  test("gives a long text the ids of the library", () => {
    const start = text.slice(0, 20_000);
    expect(tokenizer.encode(start)).toEqual(encodeWhole(file.metadata, start));
  });

  test("gives back a long text", () => {
    const start = text.slice(0, 200_000);
    expect(tokenizer.decode(tokenizer.encode(start))).toBe(start);
  });

  test("renders its own chat template", () => {
    expect(tokenizer.chatPrompt([{ role: "user", content: "Hi" }])).toBe(
      "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n" +
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
  });
});

/** Hashes of ids that Hugging Face's `tokenizers` 0.23.3 gives 2000 lines; `compare-tokenizer.mjs` prints them. */
const HASHES = [
  ["gemma3-270m", 3_356_725_987],
  ["qwen05", 18_291_015],
] as const;

for (const [name, hash] of HASHES) {
  const file = cachedModel(name);
  test.skipIf(!file)(`${name} gives 2000 lines the ids of Hugging Face's tokenizer`, async () => {
    const source = await openFileSource(file!);
    const tokenizer = loadTokenizer(await openGguf(source));
    await source.close();
    const rows = sampleLines(2000, 16).map((line) => tokenizer.encode(line));
    expect(hashRows(rows, rows.length)).toEqual([hash]);
  });
}
