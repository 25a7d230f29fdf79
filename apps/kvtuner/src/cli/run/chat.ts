import { createInterface, type Interface } from "node:readline";
import type { ChatMessage } from "@kvtuner/decoder";
import { KvtunerError } from "@kvtuner/plan";
import type { RunResult } from "../../run/runner.ts";
import { generationInterrupt, type Interrupt, InterruptedError } from "../interrupt.ts";
import { oneLine } from "../printable.ts";
import { isTyped, type Terminal } from "../terminal.ts";

/** How to answer and show the turns of a conversation. */
export interface Chat {
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  /** Instructions and the conversation so far. */
  readonly before?: readonly ChatMessage[];
  /** Answers the conversation so far. */
  readonly answer: (messages: readonly ChatMessage[], signal: AbortSignal) => Promise<RunResult>;
  /** Called with each answer. */
  readonly show: (result: RunResult) => void;
}

/**
 * Answers each line of stdin until it ends. Ctrl-C ends an answer, and the part so far counts as said. If no answer is
 * running, it ends the conversation.
 *
 * @throws InterruptedError when Ctrl-C ended it
 * @throws ChatError `CHAT_REFUSED` at the end if messages were rejected and no person watches
 */
export const chat = async ({ terminal, interrupt, before = [], answer, show }: Chat): Promise<void> => {
  const lines = openLines(terminal, interrupt);
  let [left, ended, refusals] = [false, false, 0];
  // Piped input ends long before its last line is answered, and Node rejects a prompt after the end.
  lines.once("close", () => {
    ended = true;
  });
  const leave = (): void => {
    left = true;
    lines.close();
  };
  const generation = generationInterrupt(interrupt, leave);
  /** Reports and drops a message that cannot be answered, for example because the context is full. */
  const refused = (error: unknown): undefined => {
    if (!KvtunerError.isInstance(error)) throw error;
    terminal.error(`error [${error.code}]: ${oneLine(error.message)}\n`);
    refusals++;
  };
  let messages = before;
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== "") {
      const conversation: ChatMessage[] = [...messages, { role: "user", content: line }];
      const result = await generation.during(async (signal) => answer(conversation, signal)).catch(refused);
      if (result) {
        messages = [...conversation, { role: "assistant", content: result.text }];
        show(result);
      }
    }
    if (left) break;
    if (!ended) lines.prompt();
  }
  if (left) throw new InterruptedError();
  if (refusals > 0 && !isTyped(terminal)) throw new ChatError(refusals);
};

/** On a terminal, reads single keys, including Ctrl-C. The prompt sign goes to stderr. */
const openLines = (terminal: Terminal, interrupt: Interrupt): Interface => {
  const interactive = terminal.live && isTyped(terminal);
  const lines = createInterface({
    input: terminal.input,
    prompt: interactive ? "> " : "",
    ...(interactive && { output: process.stderr, terminal: true }),
  });
  lines.on("SIGINT", interrupt.press);
  return lines;
};

/** Some messages had no answer. Each was reported when it was rejected. */
class ChatError extends KvtunerError {
  constructor(refusals: number) {
    super("CHAT_REFUSED", `failed to answer ${refusals} of the lines; see the errors above`);
    this.name = "ChatError";
  }
}
