import type { ChatMessage } from "./chat-template.ts";

/** Messages whose special tokens stand behind marks, and how to read what became of them. */
export interface QuotedMessages {
  readonly messages: readonly ChatMessage[];
  /** Puts the text of special tokens back where the marks are. */
  unquote(text: string): string;
}

/**
 * Replaces special tokens in user messages by marks, which are no special tokens: after the chat template is rendered, a
 * message so cannot be mistaken for what the template writes around it.
 *
 * @returns undefined where no user message holds a special token
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

/** Parts of a text, in turn between special tokens and special tokens: the parts at odd indices are tokens. */
export const splitAtSpecialTokens = (text: string, specialTokens: readonly string[]): string[] => {
  const present = specialTokens.filter((token) => token !== "" && text.includes(token));
  return present.length === 0 ? [text] : text.split(anyOf(present));
};

/** Takes the longest of several tokens at one place. */
const anyOf = (tokens: readonly string[]): RegExp => {
  const longestFirst = tokens.toSorted((one, other) => other.length - one.length);
  return new RegExp(`(${longestFirst.map((token) => token.replace(/[$()*+.?[\\\]^{|}]/g, "\\$&")).join("|")})`, "g");
};

/** A code point that is not a character, as often as it takes to be in none of the texts. */
const unusedMark = (texts: readonly string[]): string => {
  let mark = "\uFDD0";
  while (texts.some((text) => text.includes(mark))) mark += "\uFDD0";
  return mark;
};
