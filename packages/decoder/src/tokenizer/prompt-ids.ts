import type { ChatMessage } from "./chat-template.ts";
import type { ChatOptions, Tokenizer } from "./tokenizer.ts";

/**
 * Ids of a text to continue, begun as the model's contexts are, or of a conversation to answer.
 *
 * @throws TokenizerError as `chatIds` does
 */
export const promptIds = (
  tokenizer: Tokenizer,
  prompt: string | readonly ChatMessage[],
  options?: ChatOptions,
): Int32Array => {
  if (typeof prompt !== "string") return tokenizer.chatIds(prompt, options);
  const ids = tokenizer.encode(prompt);
  const all = new Int32Array(tokenizer.startIds.length + ids.length);
  all.set(tokenizer.startIds);
  all.set(ids, tokenizer.startIds.length);
  return all;
};
