import { Readable } from "node:stream";

import pc from "picocolors";

import type { Terminal } from "./terminal.ts";

/** A terminal that keeps what was written, without colours. */
export const recordingTerminal = (): Terminal & { readonly written: { out: string; error: string } } => {
  const written = { out: "", error: "" };
  return {
    written,
    input: Readable.from([]),
    out: (text) => void (written.out += text),
    error: (text) => void (written.error += text),
    live: false,
    colors: pc.createColors(false),
  };
};
