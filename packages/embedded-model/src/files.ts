/** Tasks that the model was trained for; the number is pairs of a recall, steps of a chain. */
export type EmbeddedTask = "recall-6" | "recall-24" | "recall-48" | "chain-4" | "chain-10" | "copy" | "reverse";

/** The model: a GGUF file of architecture `llama` with Q8_0 matrices and a tokenizer of bytes. */
export const embeddedModelUrl: URL = new URL("../model.gguf", import.meta.url);

/**
 * 300 prompts a task that were not in training, as JSON Lines `{ "prompt", "answer", "compare": "exact" }`. Every answer
 * ends with the end token.
 */
export const embeddedTasks: Readonly<Record<EmbeddedTask, URL>> = {
  "recall-6": new URL("../tasks/recall-6.jsonl", import.meta.url),
  "recall-24": new URL("../tasks/recall-24.jsonl", import.meta.url),
  "recall-48": new URL("../tasks/recall-48.jsonl", import.meta.url),
  "chain-4": new URL("../tasks/chain-4.jsonl", import.meta.url),
  "chain-10": new URL("../tasks/chain-10.jsonl", import.meta.url),
  copy: new URL("../tasks/copy.jsonl", import.meta.url),
  reverse: new URL("../tasks/reverse.jsonl", import.meta.url),
};

/** Text of the kind that the model was trained on, but not from training: one to tune plans on, one to measure them on. */
export const embeddedTexts: Readonly<Record<"calibration" | "evaluation", URL>> = {
  calibration: new URL("../text/calibration.txt", import.meta.url),
  evaluation: new URL("../text/evaluation.txt", import.meta.url),
};
