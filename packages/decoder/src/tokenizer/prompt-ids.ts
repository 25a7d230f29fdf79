import type { ChatMessage, Tokenizer } from "./tokenizer.ts";

/**
 * Ids of a text to go on from, begun as the model's contexts are, or of a conversation to answer, which its template begins.
 *
 * @throws TokenizerError as `chatPrompt` does
 */
export const promptIds = (tokenizer: Tokenizer, prompt: string | readonly ChatMessage[]): Int32Array =>
  typeof prompt === "string"
    ? Int32Array.of(...tokenizer.startIds, ...tokenizer.encode(prompt))
    : tokenizer.encode(tokenizer.chatPrompt(prompt));
