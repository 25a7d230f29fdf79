import { KvtunerError } from "@kvtuner/plan";
import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { adviseCommand } from "./advise.ts";
import { benchCommand } from "./bench.ts";
import { calibrateCommand } from "./calibrate.ts";
import { compareCommand } from "./compare.ts";
import { completionCommand } from "./completion.ts";
import { doctorCommand } from "./doctor.ts";
import { evalCommand } from "./eval.ts";
import { exportCommand } from "./export.ts";
import { inspectCommand } from "./inspect.ts";
import { type Interrupt, InterruptedError, interruptible } from "./interrupt.ts";
import { oneLine } from "./printable.ts";
import { reportCommand } from "./report.ts";
import { runCommand } from "./run.ts";
import type { Terminal } from "./terminal.ts";
import { tuneCommand } from "./tune.ts";

/** Exit codes: success, internal failure, bad input or usage. {@link Interrupt} has those of signals. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

/** Runs one command line (without node and script); resolves to the exit code. */
export const main = async (argv: readonly string[], terminal: Terminal): Promise<number> => {
  const interrupt = interruptible(terminal);
  try {
    await kvtunerProgram(terminal, interrupt).parseAsync(argv, { from: "user" });
    return EXIT.done;
  } catch (error) {
    return report(error, interrupt, terminal);
  } finally {
    interrupt.dispose();
  }
};

/** The whole command line, ready to parse. */
export const kvtunerProgram = (terminal: Terminal, interrupt: Interrupt): Command => {
  const command = new Command("kvtuner")
    .description("Find how many bits each layer of a model needs for its key/value cache.")
    .version(packageJson.version, "--version", "print the version")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.error(text),
      outputError: (text, write) => write(text.replace(/^error: /, "error [USAGE]: ")),
    });
  const withSignal = [
    tuneCommand,
    compareCommand,
    calibrateCommand,
    adviseCommand,
    runCommand,
    evalCommand,
    inspectCommand,
    reportCommand,
    benchCommand,
    exportCommand,
  ];
  const children = [
    ...withSignal.map((create) => create(terminal, interrupt.signal, interrupt)),
    doctorCommand(terminal, interrupt.signal),
    completionCommand(terminal),
  ];
  for (const child of children) command.addCommand(child.copyInheritedSettings(command));
  return command;
};

const report = (error: unknown, interrupt: Interrupt, terminal: Terminal): number => {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (interrupt.signal.aborted || error instanceof InterruptedError) return interrupt.exitCode();
  if (KvtunerError.isInstance(error)) {
    terminal.error(`error [${error.code}]: ${oneLine(error.message)}\n`);
    return EXIT.usage;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.error(`error [INTERNAL]: ${text}\n`);
  return EXIT.failed;
};
