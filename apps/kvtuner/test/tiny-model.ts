import { writeFileSync } from "node:fs";
import { bufferSource, openGguf } from "@kvtuner/decoder";
import { splitGguf } from "../../../packages/decoder/src/gguf/test-support/split-gguf.ts";
import { tinyContents, tinyModel, type TinyModel } from "../../../packages/decoder/src/gguf/test-support/tiny-model.ts";

const CHAT_TEMPLATE =
  "{% for message in messages %}{{ message.role }}: {{ message.content }}\\n{% endfor %}assistant: ";

/** A small random llama model with a byte-level tokenizer and a chat template. */
const modelOf = (metadata: TinyModel["metadata"] = {}, headSize = 32): TinyModel => {
  const sizes = { layers: 3, hiddenSize: 64, heads: 2, kvHeads: 1, headSize, feedForward: 96, vocabulary: 260 };
  return {
    architecture: "llama",
    ...sizes,
    seed: 7,
    tied: true,
    chatTemplate: CHAT_TEMPLATE,
    ...(metadata && { metadata }),
  };
};

/** Writes that model as a GGUF file. */
export const writeTinyModel = (path: string, metadata?: TinyModel["metadata"], headSize?: number): void =>
  writeFileSync(path, tinyModel(modelOf(metadata, headSize)));

/** That model in the parts of a split GGUF file, some of `sizes` tensors each. */
export const tinyModelParts = (sizes: readonly number[]): Uint8Array[] => splitGguf(tinyContents(modelOf()), sizes);

/** The tokens of that model's vocabulary, some of them under another name. */
export const tinyTokens = async (renamed: Readonly<Record<number, string>>): Promise<string[]> => {
  const sizes = { layers: 1, hiddenSize: 32, heads: 1, kvHeads: 1, feedForward: 32, vocabulary: 260 };
  const file = await openGguf(bufferSource(tinyModel({ architecture: "llama", ...sizes, seed: 7, tied: true })));
  const tokens = file.metadata.get("tokenizer.ggml.tokens") as readonly string[];
  return tokens.map((token, id) => renamed[id] ?? token);
};
