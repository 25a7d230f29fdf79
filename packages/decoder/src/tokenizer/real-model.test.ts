import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { openFileSource } from "../gguf/file-source.ts";
import { type GgufFile, openGguf } from "../gguf/gguf.ts";
import { loadTokenizer, type Tokenizer } from "./tokenizer.ts";

const shared = process.env["KVTUNER_SHARED"];
const home = process.env["KVTUNER_HOME"] ?? join(homedir(), ".cache", "kvtuner");
const modelPath = join(home, "models", "smollm2.gguf");

describe.skipIf(!shared || !existsSync(modelPath))(
  "SmolLM2 (needs KVTUNER_SHARED and `npm run model -- smollm2`)",
  () => {
    let file: GgufFile;
    let tokenizer: Tokenizer;
    let text: string;

    beforeAll(async () => {
      file = await openGguf(await openFileSource(modelPath));
      tokenizer = loadTokenizer(file);
      text = readFileSync(join(shared!, "data", "wikitext2_test.txt"), "utf8");
    });

    test("gives the ids of an outside tokenizer", () => {
      const oracle = JSON.parse(readFileSync(join(shared!, "data", "oracle_smollm2.json"), "utf8")) as {
        readonly vectors: { readonly ids: readonly number[] };
      };
      const { ids } = oracle.vectors;
      expect([...tokenizer.encode(text).subarray(0, ids.length)]).toEqual(ids);
    });

    test("gives back a long text", () => {
      const start = text.slice(0, 200_000);
      expect(tokenizer.decode(tokenizer.encode(start))).toBe(start);
    });

    test("renders its own chat template", () => {
      expect(tokenizer.chatPrompt([{ role: "user", content: "Hi" }])).toMatch(
        /<\|im_start\|>user\nHi<\|im_end\|>\n<\|im_start\|>assistant\n$/,
      );
    });

    test("has rows on demand that are rows of the whole tensor", async () => {
      const whole = await file.readTensor("token_embd.weight");
      const width = file.tensors.get("token_embd.weight")!.dims[0]!;
      const rows = await file.readTensorRows("token_embd.weight", [7, 49_151]);
      expect(rows.subarray(0, width)).toEqual(whole.subarray(7 * width, 8 * width));
      expect(rows.subarray(width)).toEqual(whole.subarray(49_151 * width));
    });
  },
);
