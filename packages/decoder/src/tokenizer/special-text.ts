import type { ChatMessage } from "./chat-template.ts";

/** Messages with special tokens replaced by marks, and a function to restore them. */
export interface QuotedMessages {
  readonly messages: readonly ChatMessage[];
  /** Replaces the marks by the text of the special tokens. */
  unquote(text: string): string;
}

/**
 * Replaces special tokens in user messages by marks that are not special tokens. In the rendered chat template, a message
 * then cannot imitate what the template writes around it.
 *
 * @returns undefined if no user message contains a special token
 */
export const quoteSpecialTokens = (
  messages: readonly ChatMessage[],
  specialTokens: readonly string[],
): QuotedMessages | undefined => {
  const typed = messages.filter(({ role }) => role === "user").map(({ content }) => content);
  const quoted = specialTokens.filter((token) => token !== "" && typed.some((content) => content.includes(token)));
  if (quoted.length === 0) return undefined;
  const mark = unusedMark(messages.map(({ content }) => content));
  const pattern = anyOf(quoted);
  const quote = (content: string): string =>
    content.replace(pattern, (token) => `${mark}${quoted.indexOf(token)}${mark}`);
  const marks = new RegExp(`${mark}(\\d+)${mark}`, "g");
  return {
    messages: messages.map((message) =>
      message.role === "user" ? { ...message, content: quote(message.content) } : message,
    ),
    unquote: (text) => text.replace(marks, (_, index: string) => quoted[Number(index)] ?? ""),
  };
};

/** Splits a text at special tokens; the parts at odd indices are the tokens. */
export const splitAtSpecialTokens = (text: string, specialTokens: readonly string[]): string[] => {
  const present = specialTokens.filter((token) => token !== "" && text.includes(token));
  return present.length === 0 ? [text] : text.split(anyOf(present));
};

/** Prefers the longest token at a position. */
const anyOf = (tokens: readonly string[]): RegExp => {
  const longestFirst = tokens.toSorted((one, other) => other.length - one.length);
  return new RegExp(`(${longestFirst.map((token) => token.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")).join("|")})`, "g");
};

/** Repeats a code point that is not a character until no text contains it. */
const unusedMark = (texts: readonly string[]): string => {
  let mark = "\uFDD0";
  while (texts.some((text) => text.includes(mark))) mark += "\uFDD0";
  return mark;
};
