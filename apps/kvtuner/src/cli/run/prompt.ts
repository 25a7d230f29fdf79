import { isUtf8 } from "node:buffer";
import { addAbortSignal } from "node:stream";
import { buffer } from "node:stream/consumers";
import { KvtunerError } from "@kvtuner/plan";
import type { Terminal } from "../terminal.ts";

/**
 * All of stdin without a final newline, which `echo` and editors add. `signal` ends the reading.
 *
 * @throws StdinError when it is not UTF-8
 */
export const promptFromStdin = async ({ input }: Terminal, signal: AbortSignal): Promise<string> => {
  const bytes = await buffer(addAbortSignal(signal, input));
  if (!isUtf8(bytes))
    throw new StdinError("TEXT_NOT_UTF8", "expected UTF-8 text on stdin, got other bytes; convert it to UTF-8");
  return bytes.toString("utf8").replace(/\r?\n$/, "");
};

/** A text on stdin that cannot be used. */
export class StdinError extends KvtunerError {
  override readonly name = "StdinError";
}
