import { writeFileSync } from "node:fs";

import { tinyModel } from "../../../packages/decoder/src/gguf/test-support/tiny-model.ts";

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\\n{% endfor %}assistant: ";

/** Writes a small random llama model with a byte-level tokenizer and a chat template as a GGUF file. */
export const writeTinyModel = (path: string): void => {
  const sizes = { layers: 3, hiddenSize: 64, heads: 2, kvHeads: 1, headSize: 32, feedForward: 96, vocabulary: 260 };
  writeFileSync(path, tinyModel({ architecture: "llama", ...sizes, seed: 7, tied: true, chatTemplate: CHAT_TEMPLATE }));
};
