import { optionalId } from "./tokenizer-metadata.ts";

const END_KEYS = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"];

/** Tokens that end a turn, a message or a text, whatever the metadata says. */
const END_TEXTS: ReadonlySet<string> = new Set([
  "<|eot_id|>",
  "<|eom_id|>",
  "<|im_end|>",
  "<|end|>",
  "<|return|>",
  "<|call|>",
  "<|calls|>",
  "<|flush|>",
  "<|endoftext|>",
  "<|end_of_text|>",
  "<｜end▁of▁sentence｜>",
  "<end_of_turn>",
  "<end_of_utterance>",
  "<turn|>",
  "<|tool_response>",
  "<eos>",
  "</s>",
  "<EOT>",
  "_<EOT>",
  "[EOT]",
  "[EOS]",
  "[e~[",
]);

/** Rules out most tokens quickly: hashing a whole vocabulary takes long. */
const END_STARTS: ReadonlySet<number> = new Set(Array.from(END_TEXTS, (text) => text.charCodeAt(0)));

/** Fill-in-the-middle tokens that end a part of a file. The first of each kind counts if the metadata names none. */
const FILL_IN_TEXTS: Readonly<Record<string, readonly string[]>> = {
  fim_pad: ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
  fim_rep: ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
  fim_sep: ["<|file_sep|>"],
};

/**
 * Ids of the tokens that end a generation: those in the metadata, and those that llama.cpp knows by their text
 * (`special_eog_ids` in its `llama-vocab.cpp`), because many files name only one.
 */
export const endTokens = (metadata: ReadonlyMap<string, unknown>, tokens: readonly string[]): number[] => {
  const named = new Map(END_KEYS.map((key) => [key, optionalId(metadata, `tokenizer.ggml.${key}_token_id`)]));
  const ids = new Set<number>();
  for (const id of named.values()) if (id !== undefined && id < tokens.length) ids.add(id);
  for (const [id, text] of tokens.entries()) if (END_STARTS.has(text.charCodeAt(0)) && END_TEXTS.has(text)) ids.add(id);
  for (const [key, texts] of Object.entries(FILL_IN_TEXTS)) {
    const found = tokens.findIndex((text) => texts.includes(text));
    if (found >= 0 && named.get(key) === undefined) ids.add(found);
  }
  const has = (...texts: string[]): boolean => texts.every((text) => ids.has(tokens.indexOf(text)));
  // If messages end with these tokens, `<|end|>` only ends a part of a message, and `</s>` is text.
  if (has("<|return|>", "<|call|>") || has("<|calls|>", "<|flush|>")) ids.delete(tokens.indexOf("<|end|>"));
  if (has("<|tool_response>")) ids.delete(tokens.indexOf("</s>"));
  return [...ids];
};
