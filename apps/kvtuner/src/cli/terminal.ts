import type { Readable } from "node:stream";

import pc from "picocolors";

import { systemReason } from "../study/reason.ts";

type Colors = ReturnType<typeof pc.createColors>;

/** Where a command reads and writes. */
export interface Terminal {
  readonly input: Readable;
  /** Results, and nothing else. */
  out(text: string): void;
  /** Progress, warnings and errors. */
  error(text: string): void;
  /** Whether a person watches `error`, so that a line may be drawn over. */
  readonly live: boolean;
  /** Colours for `out`, or none. */
  readonly colors: Colors;
}

/** Whether a person types what is read. */
export const isTyped = ({ input }: Terminal): boolean => "isTTY" in input && input.isTTY === true;

/** The terminal of this process. */
export const processTerminal = (): Terminal => {
  // A reader that closes early (`| head`) has what it wants.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0);
    process.stderr.write(`error [OUTPUT]: expected to write the result to stdout, but ${systemReason(error)}\n`);
    process.exit(1);
  });
  return {
    input: process.stdin,
    out: (text) => void process.stdout.write(text),
    error: (text) => void process.stderr.write(text),
    live: process.stderr.isTTY === true,
    colors: pc.createColors(pc.isColorSupported && (process.stdout.isTTY || process.env["FORCE_COLOR"] !== undefined)),
  };
};
