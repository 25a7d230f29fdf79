import { Readable } from "node:stream";
import { KvtunerError } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { interruptible } from "../interrupt.ts";
import { recordingTerminal } from "../test-terminal.ts";
import { chat } from "./chat.ts";

/** Rejects the only line of a conversation; resolves to the error code at the end. */
const refusedChat = async (isTTY: boolean): Promise<string> => {
  const terminal = { ...recordingTerminal(), input: Object.assign(Readable.from(["one\n"]), { isTTY }) };
  const interrupt = interruptible(terminal);
  const answer = async (): Promise<never> => {
    throw new KvtunerError("PROMPT_TOO_LONG", "expected less");
  };
  const ended = chat({ terminal, interrupt, answer, show: () => undefined });
  const code = await ended.then(
    () => "none",
    (error: unknown) => (KvtunerError.isInstance(error) ? error.code : "other"),
  );
  interrupt.dispose();
  expect(terminal.written.error).toBe("error [PROMPT_TOO_LONG]: expected less\n");
  return code;
};

test("a rejected message fails a piped conversation, but not a typed one", async () => {
  expect(await refusedChat(false)).toBe("CHAT_REFUSED");
  expect(await refusedChat(true)).toBe("none");
});
