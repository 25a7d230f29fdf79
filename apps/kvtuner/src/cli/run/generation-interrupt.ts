import type { Interrupt } from "../interrupt.ts";

/** Ctrl-C of a program that generates: it ends the generation; where none is under way, or twice, the program. */
export interface GenerationInterrupt {
  /** Runs a generation whose signal Ctrl-C aborts. */
  during<Result>(generate: (signal: AbortSignal) => Promise<Result>): Promise<Result>;
}

/** Takes Ctrl-C over; `onIdle` answers it where nothing is generated (by default, the program ends). */
export const generationInterrupt = (
  interrupt: Interrupt,
  onIdle: () => void = () => process.exit(130),
): GenerationInterrupt => {
  let current: AbortController | undefined;
  interrupt.divert(() => {
    if (current === undefined) return onIdle();
    if (current.signal.aborted) process.exit(130);
    current.abort();
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
