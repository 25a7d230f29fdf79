import { createInterface, type Interface } from "node:readline";
import type { ChatMessage } from "@kvtuner/decoder";
import { KvtunerError } from "@kvtuner/plan";
import type { RunResult } from "../../run/runner.ts";
import { generationInterrupt, type Interrupt, InterruptedError } from "../interrupt.ts";
import { oneLine } from "../printable.ts";
import { isTyped, type Terminal } from "../terminal.ts";

/** How a conversation's turns are answered and shown. */
export interface Chat {
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  /** Instructions in front of the conversation. */
  readonly system?: string;
  /** Answers the conversation so far. */
  readonly answer: (messages: readonly ChatMessage[], signal: AbortSignal) => Promise<RunResult>;
  /** Told each answer. */
  readonly show: (result: RunResult) => void;
}

/**
 * Answers line after line of stdin until it ends. Ctrl-C ends an answer, what there is of it counts as said; where none is
 * under way it ends the conversation.
 *
 * @throws InterruptedError when Ctrl-C ended it
 * @throws ChatError `CHAT_REFUSED` at the end, where no person sees them as they come, when messages were refused
 */
export const chat = async ({ terminal, interrupt, system, answer, show }: Chat): Promise<void> => {
  const lines = openLines(terminal, interrupt);
  let [left, ended, refusals] = [false, false, 0];
  // Piped input ends long before its last line is answered, and Node refuses a prompt behind the end.
  lines.once("close", () => {
    ended = true;
  });
  const leave = (): void => {
    left = true;
    lines.close();
  };
  const generation = generationInterrupt(interrupt, leave);
  /** A message that cannot be answered, for example because the context is full, is reported and dropped. */
  const refused = (error: unknown): undefined => {
    if (!KvtunerError.isInstance(error)) throw error;
    terminal.error(`error [${error.code}]: ${oneLine(error.message)}\n`);
    refusals++;
  };
  let messages: readonly ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  lines.prompt();
  for await (const line of lines) {
    if (line.trim() !== "") {
      const asked: ChatMessage[] = [...messages, { role: "user", content: line }];
      const result = await generation.during(async (signal) => answer(asked, signal)).catch(refused);
      if (result) {
        messages = [...asked, { role: "assistant", content: result.text }];
        show(result);
      }
    }
    if (left) break;
    if (!ended) lines.prompt();
  }
  if (left) throw new InterruptedError();
  if (refusals > 0 && !isTyped(terminal)) throw new ChatError(refusals);
};

/** On a terminal, keys are read one by one, Ctrl-C among them; the prompt sign goes to stderr. */
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

/** Messages of a conversation had no answer; each was reported when it was rejected. */
class ChatError extends KvtunerError {
  constructor(refusals: number) {
    super("CHAT_REFUSED", `failed to answer ${refusals} of the lines; see the errors above`);
    this.name = "ChatError";
  }
}
