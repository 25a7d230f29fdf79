import type { Terminal } from "./terminal.ts";

/** Time for the step under way to notice, milliseconds. Loading a model cannot be stopped in between. */
const GRACE_MS = 3000;

/** A signal that Ctrl-C aborts. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Lets a command answer Ctrl-C itself; the signal is not aborted any more. */
  divert(onInterrupt: () => void): void;
  /** What Ctrl-C does, for a terminal that reports it as a key. */
  press(): void;
  /** Stops listening. */
  dispose(): void;
}

/**
 * Listens for SIGINT. The first one aborts the signal, so that the run ends between two layers; a second one, or a step
 * that does not notice, ends the process. Whatever was evaluated is on disk by then.
 */
export const interruptible = (terminal: Terminal): Interrupt => {
  const controller = new AbortController();
  const abort = (): void => {
    if (controller.signal.aborted) process.exit(130);
    terminal.error(`${terminal.live ? "\r\u001B[K" : ""}interrupted\n`);
    controller.abort();
    setTimeout(() => process.exit(130), GRACE_MS).unref();
  };
  let onInterrupt = abort;
  const press = (): void => onInterrupt();
  process.on("SIGINT", press);
  return {
    signal: controller.signal,
    divert: (own) => {
      onInterrupt = own;
    },
    press,
    dispose: () => void process.off("SIGINT", press),
  };
};

/** Ends a command that Ctrl-C ended, all that was to say being said. */
export class InterruptedError extends Error {
  override readonly name = "InterruptedError";
}
