import type { Terminal } from "./terminal.ts";

/** Time for the step under way to notice, milliseconds. Loading a model cannot be stopped in between. */
const GRACE_MS = 3000;

/** Exit codes of a process that a signal ended: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that Ctrl-C and SIGTERM abort. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Lets a command answer Ctrl-C itself, which then does not abort the signal; SIGTERM does all the same. */
  divert(onInterrupt: () => void): void;
  /** What Ctrl-C does, for a terminal that reports it as a key. */
  press(): void;
  /** Adds to the line that says that the process was ended. */
  say(text: string): void;
  /** What the process ends with when a signal ended it. */
  exitCode(): number;
  /** Stops listening. */
  dispose(): void;
}

/**
 * Listens for SIGINT and SIGTERM. The first one aborts the signal, so that the run ends between two layers; a second one, or
 * a step that does not notice, ends the process. Whatever was evaluated is on disk by then.
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

/** Ends a command that a signal ended, all that was to say being said. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}

/** Ctrl-C of a program that generates: it ends the generation; where none is under way, or twice, the program. */
export interface GenerationInterrupt {
  /** Runs a generation whose signal Ctrl-C and SIGTERM abort. */
  during<Result>(generate: (signal: AbortSignal) => Promise<Result>): Promise<Result>;
}

/**
 * Takes Ctrl-C over. `leave` answers it where nothing is generated, and SIGTERM always; without one, the program ends where
 * nothing is generated.
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
