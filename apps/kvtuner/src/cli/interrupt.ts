import type { Terminal } from "./terminal.ts";

/** How long a step may take to notice the signal, milliseconds. Loading a model cannot be stopped midway. */
const GRACE_MS = 3000;

/** Exit codes of a process that a signal ended: 128 plus the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that Ctrl-C and SIGTERM abort. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Lets a command handle Ctrl-C itself, without aborting the signal. SIGTERM still aborts it. */
  divert(onInterrupt: () => void): void;
  /** Acts as Ctrl-C, for a terminal that reports it as a key. */
  press(): void;
  /** Adds to the line that says that the process was ended. */
  say(text: string): void;
  /** Exit code of the process after a signal. */
  exitCode(): number;
  /** Stops listening. */
  dispose(): void;
}

/**
 * Listens for SIGINT and SIGTERM. The first one aborts the signal, and the command stops between two layers. A second one, or
 * a step that does not stop in time, ends the process. Evaluations so far are already on disk.
 */
export const interruptible = (terminal: Terminal): Interrupt => {
  const controller = new AbortController();
  let more = "";
  let exitCode: number = EXIT_CODES.SIGINT;
  const abort = (word: string): void => {
    if (controller.signal.aborted) process.exit(exitCode);
    terminal.eraseLine();
    terminal.error(`${word}${more}\n`);
    controller.abort();
    setTimeout(() => process.exit(exitCode), GRACE_MS).unref();
  };
  let onInterrupt = (): void => abort("interrupted");
  const press = (): void => onInterrupt();
  const terminate = (): void => {
    exitCode = EXIT_CODES.SIGTERM;
    abort("terminated");
  };
  process.on("SIGINT", press);
  process.on("SIGTERM", terminate);
  return {
    signal: controller.signal,
    divert: (own) => {
      onInterrupt = own;
    },
    press,
    say: (text) => {
      more = `; ${text}`;
    },
    exitCode: () => exitCode,
    dispose: () => {
      process.off("SIGINT", press);
      process.off("SIGTERM", terminate);
    },
  };
};

/** Ends a command after a signal, with everything already printed. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** Ctrl-C of a program that generates: ends the generation. If none is running, or the second time, ends the program. */
export interface GenerationInterrupt {
  /** Runs a generation whose signal Ctrl-C and SIGTERM abort. */
  during<Result>(generate: (signal: AbortSignal) => Promise<Result>): Promise<Result>;
}

/**
 * Takes over Ctrl-C. `leave` handles it when nothing is being generated, and always handles SIGTERM. Without `leave`, the
 * program ends then.
 */
export const generationInterrupt = (interrupt: Interrupt, leave?: () => void): GenerationInterrupt => {
  const exit = (): never => process.exit(interrupt.exitCode());
  let current: AbortController | undefined;
  interrupt.divert(() => {
    if (current === undefined) return (leave ?? exit)();
    if (current.signal.aborted) exit();
    current.abort();
  });
  interrupt.signal.addEventListener("abort", () => {
    current?.abort();
    if (leave) leave();
    else if (current === undefined) exit();
  });
  return {
    during: async (generate) => {
      current = new AbortController();
      try {
        return await generate(current.signal);
      } finally {
        current = undefined;
      }
    },
  };
};
