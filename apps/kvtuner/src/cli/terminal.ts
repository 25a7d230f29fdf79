import type { Readable } from "node:stream";
import pc from "picocolors";
import { oneLine, printable } from "./printable.ts";

type Styles = ReturnType<typeof pc.createColors>;

/** Text styles. */
export type Style = Exclude<keyof Styles, "isColorSupported">;

/** Styled text, of printable characters only. */
export interface Painted {
  readonly painted: string;
}

/** Output: plain text, which is escaped for terminals, or styled text. */
export type Piece = string | Painted;

/** Where a command reads and writes. */
export interface Terminal {
  readonly input: Readable;
  /** Results only. */
  out(...pieces: readonly Piece[]): void;
  /** Results without escaping of control characters. */
  raw(text: string): void;
  /** Progress, warnings and errors. */
  error(...pieces: readonly Piece[]): void;
  /** Removes the line that `error` began, on a live terminal. */
  eraseLine(): void;
  /** Whether a person watches `error`, so that a line may be overwritten. */
  readonly live: boolean;
  /** Styles a text for `out`, if it shows styles. */
  paint(looks: readonly Style[], text: string): Painted;
}

/** Writes a warning. */
export const warn = ({ error }: Terminal, message: string): void => error(`warning: ${oneLine(message)}\n`);

/** Whether a person types the input. */
export const isTyped = ({ input }: Terminal): boolean => "isTTY" in input && input.isTTY === true;

/** A terminal over two writers. */
export const terminalOver = (
  streams: { readonly input: Readable; out(text: string): void; error(text: string): void },
  { live, colors }: { readonly live: boolean; readonly colors: boolean },
): Terminal => {
  const styles = pc.createColors(colors);
  const textOf = (pieces: readonly Piece[]): string =>
    pieces.map((piece) => (typeof piece === "string" ? printable(piece) : piece.painted)).join("");
  return {
    input: streams.input,
    live,
    out: (...pieces) => streams.out(textOf(pieces)),
    raw: streams.out,
    error: (...pieces) => streams.error(textOf(pieces)),
    eraseLine: () => {
      if (live) streams.error("\r\u001B[K");
    },
    paint: (looks, text) => ({ painted: looks.reduce((shown, look) => styles[look](shown), printable(text)) }),
  };
};

/** The terminal of this process. */
export const processTerminal = (): Terminal => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    // A reader that closes early (`| head`) has what it wants.
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`error [OUTPUT]: writing the result to stdout failed: ${error.code ?? error.message}\n`);
    process.exit(1);
  });
  // Nobody reads progress any more (`2>&1 | head`); the work continues.
  process.stderr.on("error", () => undefined);
  return terminalOver(
    {
      input: process.stdin,
      out: (text) => void process.stdout.write(text),
      error: (text) => void process.stderr.write(text),
    },
    {
      live: process.stderr.isTTY === true,
      colors: pc.isColorSupported && (process.stdout.isTTY || process.env["FORCE_COLOR"] !== undefined),
    },
  );
};
