import { EvaluationError } from "@kvtuner/evaluation";
import { CALIBRATION_PROMPTS, encodeEnough } from "@kvtuner/tuning";
import { readText } from "../calibration/text.ts";

/** Built-in text is enough for timing, which does not depend on what is said. */
const builtInText = (encode: (text: string) => Int32Array, tokens: number): Int32Array => {
  const once = encode(`${CALIBRATION_PROMPTS.join("\n\n")}\n\n`);
  return Int32Array.from({ length: tokens }, (_, index) => once[index % once.length]!);
};

const fileIds = (encode: (text: string) => Int32Array, path: string, tokens: number): Int32Array => {
  const ids = encodeEnough(encode, readText(path), tokens);
  if (ids.length >= tokens) return ids.slice(0, tokens);
  throw new EvaluationError(
    "EVALUATION_TEXT_TOO_SHORT",
    `expected a text of at least ${tokens} tokens in ${path}, the longest context and the tokens decoded after it, got ${ids.length}; use a longer text or a shorter --context`,
  );
};

/**
 * The first `tokens` tokens of a text file, or of built-in text over and over.
 *
 * @throws KvtunerError when the file cannot be read or is too short
 */
export const textIds = (encode: (text: string) => Int32Array, path: string | undefined, tokens: number): Int32Array =>
  path === undefined ? builtInText(encode, tokens) : fileIds(encode, path, tokens);
