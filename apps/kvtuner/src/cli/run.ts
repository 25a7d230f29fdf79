import type { ChatMessage } from "@kvtuner/decoder";
import { KvtunerError } from "@kvtuner/plan";
import { fillOptions, flagOption, type Given, type OnProgress } from "@kvtuner/tuning";
import { Command } from "commander";
import { GENERATION_OPTIONS, type GenerationOptions, PROMPT_OPTIONS, RUNNER_OPTIONS } from "../options.ts";
import { openRunner, type Runner, type RunResult } from "../run/runner.ts";
import { examples } from "./examples.ts";
import { generationInterrupt, InterruptedError, type Interrupt } from "./interrupt.ts";
import { MODEL_ARGUMENT, withOptions } from "./options.ts";
import { progressView } from "./progress-view.ts";
import { chat } from "./run/chat.ts";
import { promptFromStdin } from "./run/prompt.ts";
import { reportText } from "./run/report-text.ts";
import { isTyped, type Terminal, warn } from "./terminal.ts";

const FLAGS = {
  ...PROMPT_OPTIONS,
  ...GENERATION_OPTIONS,
  ...RUNNER_OPTIONS,
  json: flagOption("print JSON to stdout instead of the text: one document, or one per turn with --chat"),
  quiet: flagOption("hide progress and statistics"),
};

type RunFlags = Given<typeof FLAGS> & { readonly plan: string };

/** `kvtuner run MODEL`. */
export const runCommand = (terminal: Terminal, signal: AbortSignal, interrupt: Interrupt): Command =>
  withOptions(new Command("run"), FLAGS)
    .description("generate text on a cache stored as a plan says")
    .argument("<model>", MODEL_ARGUMENT)
    .addHelpText("after", EXAMPLES)
    .action(async (model: string, flags: RunFlags, command: Command) => {
      fillOptions(GENERATION_OPTIONS, flags);
      if (flags.system !== undefined && flags.chat !== true) command.error("error: expected --chat with --system");
      const prompt = flags.chat === true ? undefined : await promptOf(flags, terminal, signal, command);
      const onWarning = (message: string): void => warn(terminal, message);
      const runner = await openRunner({ model, ...flags, onProgress: loadView(terminal, flags), onWarning, signal });
      try {
        if (prompt === undefined) await runner.load();
        await generateAll({ runner, terminal, interrupt, flags }, prompt);
      } finally {
        await runner.dispose();
      }
    });

const EXAMPLES = examples([
  ['kvtuner run smollm2 --plan studies/mine/plan.json --prompt "Once upon a time"', "continue a text"],
  ["kvtuner run smollm2 --plan kivi:K4V2+sinks4 --chat", "a conversation, one pair in all layers"],
  [
    "kvtuner run smollm2 --plan kivi:K4V2+sinks4 --chat --session talk.kvsession",
    "a conversation that can go on later",
  ],
  ["kvtuner run model.gguf --plan none --json < prompt.txt", "the 16-bit cache, with speeds and bytes as JSON"],
]);

/** Shorter prompts are processed too fast for progress to be seen. */
const SHORT_PROMPT_TOKENS = 256;

/** Progress of the loading and of a long prompt, removed when the text starts. */
const loadView = (terminal: Terminal, { quiet }: RunFlags): OnProgress => {
  const view = progressView(terminal, quiet === true);
  return (progress) => {
    if (progress.step === "prefill" && progress.total <= SHORT_PROMPT_TOKENS) return;
    view.show(progress);
    if (progress.done === progress.total) view.end();
  };
};

const promptOf = async (
  { prompt }: RunFlags,
  terminal: Terminal,
  signal: AbortSignal,
  command: Command,
): Promise<string> => {
  if (prompt !== undefined) return prompt;
  if (isTyped(terminal)) command.error("error: expected --prompt, --chat, or a text on stdin");
  return promptFromStdin(terminal, signal);
};

interface Session {
  readonly runner: Runner;
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  readonly flags: RunFlags;
}

/** @throws InterruptedError when Ctrl-C ended it */
const generateAll = async (session: Session, prompt: string | undefined): Promise<void> => {
  const { runner, terminal, interrupt, flags } = session;
  const show = (result: RunResult): void => showResult(result, terminal, flags);
  const answer = async (given: string | readonly ChatMessage[], signal: AbortSignal): Promise<RunResult> =>
    runner.generate({ ...generationOptions(flags, terminal), prompt: given, signal });
  if (prompt === undefined) return chat({ terminal, interrupt, before: earlierMessages(session), answer, show });
  const result = await generationInterrupt(interrupt).during(async (signal) => answer(prompt, signal));
  show(result);
  if (result.finish === "interrupted") throw new InterruptedError();
};

/** The conversation of the session's file, or the instructions of a new one. */
const earlierMessages = ({
  runner: { restored },
  terminal,
  flags: { system, quiet, json },
}: Session): readonly ChatMessage[] => {
  const given: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  if (!restored) return given;
  const { tokens, messages } = restored;
  if (quiet !== true && json !== true)
    terminal.error(`restored ${tokens} tokens, ${messages.length} messages of the conversation\n`);
  if (
    system !== undefined &&
    messages.length > 0 &&
    !(messages[0]!.role === "system" && messages[0]!.content === system)
  )
    throw new SessionSystemError();
  return messages.length > 0 ? messages : given;
};

/** Instructions that a saved conversation does not begin with. */
class SessionSystemError extends KvtunerError {
  constructor() {
    super(
      "SESSION_SYSTEM",
      "expected no --system, or that of the saved conversation, got another; leave it out, or use another --session",
    );
    this.name = "SessionSystemError";
  }
}

const generationOptions = (flags: RunFlags, terminal: Terminal): Omit<GenerationOptions, "prompt"> => ({
  ...fillOptions(GENERATION_OPTIONS, flags),
  ...(flags.json !== true && { onText: flags.raw === true ? terminal.raw : shown(terminal) }),
});

/** Turns every line ending into a newline; a lone carriage return would let the text overwrite earlier output. */
const shown =
  (terminal: Terminal) =>
  (text: string): void =>
    terminal.out(text.replaceAll("\r\n", "\n"));

const showResult = (result: RunResult, terminal: Terminal, { json, quiet }: RunFlags): void => {
  terminal.out(json === true ? `${JSON.stringify(result)}\n` : "\n");
  if (json !== true && quiet !== true) terminal.error(reportText(result));
};
