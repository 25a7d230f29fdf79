import { CALIBRATION_PROMPTS } from "../calibration/prompts.ts";
import { readText } from "../calibration/text.ts";
import { textWindows } from "../calibration/windows.ts";

/** Built-in text is enough for timing, which does not depend on what is said. */
const builtInText = (encode: (text: string) => Int32Array, tokens: number): Int32Array => {
  const once = encode(`${CALIBRATION_PROMPTS.join("\n\n")}\n\n`);
  return Int32Array.from({ length: tokens }, (_, index) => once[index % once.length]!);
};

/**
 * The first `tokens` tokens of a text file, or of built-in text over and over.
 *
 * @throws KvtunerError when the file cannot be read or is too short
 */
export const textIds = (encode: (text: string) => Int32Array, path: string | undefined, tokens: number): Int32Array =>
  path === undefined
    ? builtInText(encode, tokens)
    : textWindows(encode, readText(path), { windows: 1, windowLength: tokens })[0]!;
