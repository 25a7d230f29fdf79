import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { KvtunerError } from "@kvtuner/plan";

/**
 * Reads a calibration text, or a task, byte for byte: keeps newlines and a byte order mark.
 *
 * @param option the option that named the file, for errors
 * @throws TextError with the offset of the first wrong byte, when the file cannot be read or is not UTF-8
 */
export const readText = (path: string, option = "text"): string => {
  const bytes = readBytes(path, option);
  const text = bytes.toString("utf8");
  if (isUtf8(bytes)) return text;
  const offset = firstDifference(bytes, Buffer.from(text, "utf8"));
  throw new TextError(
    "TEXT_NOT_UTF8",
    `expected UTF-8 text in ${path}, got an invalid byte at offset ${offset}; convert the file to UTF-8`,
  );
};

const readBytes = (path: string, option: string): Buffer => {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new TextError("TEXT_UNREADABLE", `cannot read the text file ${path}; check --${option}`, cause);
  }
};

/** Decoding replaces wrong bytes by U+FFFD, so encoding again first differs at the first wrong byte. */
const firstDifference = (bytes: Buffer, encodedAgain: Buffer): number => {
  let offset = 0;
  while (offset < bytes.length && bytes[offset] === encodedAgain[offset]) offset++;
  return offset;
};

/** A calibration or evaluation text that cannot be used. */
export class TextError extends KvtunerError {
  constructor(code: string, message: string, cause?: unknown) {
    super(code, message, { cause });
    this.name = "TextError";
  }
}
