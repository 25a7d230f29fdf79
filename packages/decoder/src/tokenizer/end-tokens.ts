import { optionalId } from "./tokenizer-metadata.ts";

const END_KEYS = ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"];

/** Texts of tokens that end a turn, a message or a text, whatever the metadata says of them. */
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

/** Fill-in-the-middle tokens that end a file's part; the first of each kind counts when the metadata names none. */
const FILL_IN_TEXTS: Readonly<Record<string, readonly string[]>> = {
  fim_pad: ["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
  fim_rep: ["<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"],
  fim_sep: ["<|file_sep|>"],
};

/**
 * Ids of the tokens that end a generation: those that the metadata names, and those that llama.cpp knows by their text
 * (`special_eog_ids` of its `llama-vocab.cpp`), for many files name only one of them.
 */
export const endTokens = (metadata: ReadonlyMap<string, unknown>, tokens: readonly string[]): number[] => {
  const named = new Map(END_KEYS.map((key) => [key, optionalId(metadata, `tokenizer.ggml.${key}_token_id`)]));
  const ids = new Set<number>();
  for (const id of named.values()) if (id !== undefined && id < tokens.length) ids.add(id);
  for (const [id, text] of tokens.entries()) if (END_TEXTS.has(text)) ids.add(id);
  for (const [key, texts] of Object.entries(FILL_IN_TEXTS)) {
    const found = tokens.findIndex((text) => texts.includes(text));
    if (found >= 0 && named.get(key) === undefined) ids.add(found);
  }
  const has = (...texts: string[]): boolean => texts.every((text) => ids.has(tokens.indexOf(text)));
  // Where messages end by these, `<|end|>` only ends a part of one, and `</s>` is text.
  if (has("<|return|>", "<|call|>") || has("<|calls|>", "<|flush|>")) ids.delete(tokens.indexOf("<|end|>"));
  if (has("<|tool_response>")) ids.delete(tokens.indexOf("</s>"));
  return [...ids];
};
