import type { Terminal } from "./terminal.ts";

/** Time for the step under way to notice, milliseconds. Loading a model cannot be stopped in between. */
const GRACE_MS = 3000;

/** A signal that Ctrl-C aborts. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Stops listening. */
  dispose(): void;
}

/**
 * Listens for SIGINT. The first one aborts the signal, so that the run ends between two layers; a second one, or a step
 * that does not notice, ends the process. Whatever was evaluated is on disk by then.
 */
export const interruptible = (terminal: Terminal): Interrupt => {
  const controller = new AbortController();
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(130);
    terminal.error(`${terminal.live ? "\r\u001B[K" : ""}interrupted; what was evaluated is kept\n`);
    controller.abort();
    setTimeout(() => process.exit(130), GRACE_MS).unref();
  };
  process.on("SIGINT", onInterrupt);
  return { signal: controller.signal, dispose: () => void process.off("SIGINT", onInterrupt) };
};
