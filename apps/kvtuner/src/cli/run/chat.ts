import { createInterface, type Interface } from "node:readline";

import type { ChatMessage } from "@kvtuner/decoder";
import { KvtunerError } from "@kvtuner/plan";

import type { RunResult } from "../../run/runner.ts";
import type { Interrupt } from "../interrupt.ts";
import type { Terminal } from "../terminal.ts";
import { generationInterrupt } from "./generation-interrupt.ts";

/** How a conversation's turns are answered and shown. */
export interface Chat {
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  /** Answers the conversation so far. */
  readonly answer: (messages: readonly ChatMessage[], signal: AbortSignal) => Promise<RunResult>;
  /** Told each answer. */
  readonly show: (result: RunResult) => void;
}

/**
 * Answers line after line of stdin until it ends. Ctrl-C ends an answer, what there is of it counts as said; where none is
 * under way it ends the conversation.
 *
 * @returns whether Ctrl-C ended it
 */
export const chat = async ({ terminal, interrupt, answer, show }: Chat): Promise<boolean> => {
  const lines = openLines(terminal, interrupt);
  let [left, ended] = [false, false];
  // Piped input ends long before its last line is answered, and Node refuses a prompt behind the end.
  lines.once("close", () => {
    ended = true;
  });
  const onIdle = (): void => {
    left = true;
    lines.close();
  };
  const generation = generationInterrupt(interrupt, onIdle);
  /** What cannot be answered, as where the context is full, is told and forgotten. */
  const refused = (error: unknown): undefined => {
    if (!KvtunerError.isInstance(error)) throw error;
    terminal.error(`error [${error.code}]: ${error.message}\n`);
  };
  let messages: readonly ChatMessage[] = [];
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
  return left;
};

/** On a terminal, keys are read one by one, Ctrl-C among them; the prompt sign goes to stderr. */
const openLines = ({ input, live }: Terminal, interrupt: Interrupt): Interface => {
  const interactive = live && "isTTY" in input && input.isTTY === true;
  const lines = createInterface({
    input,
    prompt: interactive ? "> " : "",
    ...(interactive && { output: process.stderr, terminal: true }),
  });
  lines.on("SIGINT", interrupt.press);
  return lines;
};
