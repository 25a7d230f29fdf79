import { Template } from "@huggingface/jinja";
import { renderWithin, type TemplateLimits } from "./bounded-interpreter.ts";
import { TokenizerError } from "./tokenizer-error.ts";
import { optionalId } from "./tokenizer-metadata.ts";

/** One turn of a conversation. */
export interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** Ten times the longest in use. Parsing takes superlinear time. */
const MAX_TEMPLATE_LENGTH = 2 ** 18;
/** The library's time for consecutive white space is quadratic in its length. */
const MAX_WHITE_SPACE = 1024;
const STEPS = 250_000;
const STEPS_PER_MESSAGE = 5_000;
const SIZE = 2 ** 22;
const TIME_MS = 5_000;

/** Renders conversations in the chat template of a model file; parses it on first use. */
export const chatTemplate = (
  metadata: ReadonlyMap<string, unknown>,
  tokens: readonly string[],
): ((messages: readonly ChatMessage[]) => string) => {
  let template: Template | undefined;
  const textOf = (key: string): string => tokens[optionalId(metadata, `tokenizer.ggml.${key}_token_id`) ?? -1] ?? "";
  const render = (text: string, messages: readonly ChatMessage[]): string => {
    template ??= new Template(text);
    const variables = {
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: true,
      bos_token: textOf("bos"),
      eos_token: textOf("eos"),
    };
    return renderWithin(template, variables, limitsFor(messages));
  };
  return (messages) => {
    const text = readTemplate(metadata);
    try {
      return render(text, messages);
    } catch (cause) {
      throw new TokenizerError(
        "TOKENIZER_CHAT_TEMPLATE",
        `the model's chat template failed on these messages: ${cause instanceof Error ? cause.message : String(cause)}; use a plain prompt, or a model with another template`,
        { cause },
      );
    }
  };
};

const readTemplate = (metadata: ReadonlyMap<string, unknown>): string => {
  const template = metadata.get("tokenizer.chat_template");
  if (typeof template !== "string")
    throw new TokenizerError(
      "TOKENIZER_NO_CHAT_TEMPLATE",
      "expected a chat template in the model file, got none; use a plain prompt",
    );
  if (template.length > MAX_TEMPLATE_LENGTH)
    throw tooLong(`of at most ${MAX_TEMPLATE_LENGTH} characters, got ${template.length}`);
  for (const { 0: spaces } of template.matchAll(/\s+/g))
    if (spaces.length > MAX_WHITE_SPACE)
      throw tooLong(`with at most ${MAX_WHITE_SPACE} characters of white space in a row, got ${spaces.length}`);
  return template;
};

const tooLong = (expected: string): TokenizerError =>
  new TokenizerError(
    "TOKENIZER_CHAT_TEMPLATE",
    `expected a chat template ${expected}; use a plain prompt, or convert the model again`,
  );

/** Limits grow with the conversation: templates may copy its text several times. */
const limitsFor = (messages: readonly ChatMessage[]): TemplateLimits => {
  const characters = messages.reduce((sum, { content }) => sum + content.length, 0);
  return {
    steps: STEPS + STEPS_PER_MESSAGE * messages.length + characters,
    size: SIZE + 4 * characters,
    timeMs: TIME_MS,
  };
};
