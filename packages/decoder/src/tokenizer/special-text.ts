import type { ChatMessage } from "./chat-template.ts";
import type { TokenSplitter } from "./split-at-tokens.ts";

/** Messages with special tokens replaced by marks, and a function to restore them. */
export interface QuotedMessages {
  readonly messages: readonly ChatMessage[];
  /** Replaces the marks by the text of the special tokens. */
  unquote(text: string): string;
}

/**
 * Replaces the tokens that `split` finds in user messages by marks that are not special tokens. In the rendered chat
 * template, a message then cannot imitate what the template writes around it.
 *
 * @returns undefined if no user message contains such a token
 */
export const quoteSpecialTokens = (
  messages: readonly ChatMessage[],
  split: TokenSplitter,
): QuotedMessages | undefined => {
  const mark = unusedMark(messages.map(({ content }) => content));
  const tokens: string[] = [];
  const quote = (content: string): string =>
    split(content)
      .map((part, index) => (index % 2 === 1 ? `${mark}${tokens.push(part) - 1}${mark}` : part))
      .join("");
  const quoted = messages.map((message) =>
    message.role === "user" ? { ...message, content: quote(message.content) } : message,
  );
  const marks = new RegExp(`${mark}(\\d+)${mark}`, "g");
  return tokens.length === 0
    ? undefined
    : { messages: quoted, unquote: (text) => text.replace(marks, (_, index: string) => tokens[Number(index)] ?? "") };
};

/** Repeats a code point that is not a character until no text contains it. */
const unusedMark = (texts: readonly string[]): string => {
  let mark = "\uFDD0";
  while (texts.some((text) => text.includes(mark))) mark += "\uFDD0";
  return mark;
};
