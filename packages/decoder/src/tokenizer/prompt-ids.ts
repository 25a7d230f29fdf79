import type { ChatMessage } from "./chat-template.ts";
import { joinIds } from "./join-ids.ts";
import type { ChatOptions, Tokenizer } from "./tokenizer.ts";

/**
 * Ids of a text to continue, with the model's start tokens, or of a conversation to answer.
 *
 * @throws TokenizerError as `chatIds` does
 */
export const promptIds = (
  tokenizer: Tokenizer,
  prompt: string | readonly ChatMessage[],
  options?: ChatOptions,
): Int32Array =>
  typeof prompt === "string"
    ? joinIds(tokenizer.startIds, tokenizer.encode(prompt))
    : tokenizer.chatIds(prompt, options);
