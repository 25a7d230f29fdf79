import { expect, test } from "vitest";
import { familyOf } from "../architecture/families.ts";
import { layerReader } from "../architecture/layer-reader.ts";
import { readConfig } from "../architecture/read-config.ts";
import { readHead } from "../architecture/read-weights.ts";
import { loadTokenizer } from "../tokenizer/tokenizer.ts";
import { bufferSource } from "./byte-source.ts";
import { openGguf } from "./gguf.ts";
import { tinyModel } from "./test-support/tiny-model.ts";

test.for(["llama", "qwen2"] as const)(
  "a written %s model has all the weights and tokens a decoder reads",
  async (architecture) => {
    const sizes = { layers: 2, hiddenSize: 32, heads: 4, kvHeads: 2, feedForward: 48, vocabulary: 264, seed: 1 };
    const file = await openGguf(bufferSource(tinyModel({ ...sizes, architecture, tied: architecture === "llama" })));
    const config = readConfig(file);
    for (let layer = 0; layer < 2; layer++) {
      const { key } = await familyOf(architecture).projection(layerReader(file, config, layer));
      expect([key?.rows, key?.columns, key?.bias?.length]).toEqual([16, 32, architecture === "qwen2" ? 16 : undefined]);
      await familyOf(architecture).feedForward(layerReader(file, config, layer));
    }
    expect((await readHead(file, config, { from: 0, to: 264 })).output.rows).toBe(264);
    const tokenizer = loadTokenizer(file);
    expect([tokenizer.vocabularySize, tokenizer.decode(tokenizer.encode("the cat"))]).toEqual([264, "the cat"]);
  },
);
