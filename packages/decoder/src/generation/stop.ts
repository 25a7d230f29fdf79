/** Cuts a text that arrives in pieces before the first stop text. */
export interface Stopper {
  /** Takes the next piece; returns the part that is certainly before every stop text. */
  push(piece: string): string;
  /** The part held back because a stop text might have begun. */
  end(): string;
  /** Whether a stop text was found. */
  stopped(): boolean;
}

/** Makes a {@link Stopper} for nonempty texts. The stop text that is complete first counts. */
export const stopper = (stops: readonly string[]): Stopper => {
  let held = "";
  let stopped = false;
  const take = (length: number): string => {
    const taken = held.slice(0, length);
    held = held.slice(length);
    return taken;
  };
  return {
    push: (piece) => {
      for (let index = 0; index < piece.length && !stopped; index++) {
        held += piece[index]!;
        const complete = stops.filter((stop) => held.endsWith(stop)).map((stop) => stop.length);
        if (complete.length === 0) continue;
        stopped = true;
        return take(held.length - Math.max(...complete));
      }
      return stopped ? "" : take(held.length - Math.max(0, ...stops.map((stop) => overlap(held, stop))));
    },
    end: () => (stopped ? "" : take(held.length)),
    stopped: () => stopped,
  };
};

/** Length of the longest start of `stop` at the end of `text`. */
const overlap = (text: string, stop: string): number => {
  for (let length = Math.min(stop.length - 1, text.length); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
};
