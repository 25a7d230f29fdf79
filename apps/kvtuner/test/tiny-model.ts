import { writeFileSync } from "node:fs";

import { tinyModel } from "../../../packages/decoder/src/gguf/test-support/tiny-model.ts";

/** Writes a small random llama model with a byte-level tokenizer as a GGUF file. */
export const writeTinyModel = (path: string): void => {
  const sizes = { layers: 3, hiddenSize: 64, heads: 2, kvHeads: 1, headSize: 32, feedForward: 96, vocabulary: 260 };
  writeFileSync(path, tinyModel({ architecture: "llama", ...sizes, seed: 7, tied: true }));
};
