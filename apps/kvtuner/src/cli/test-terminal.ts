import { Readable } from "node:stream";
import { terminalOver, type Terminal } from "./terminal.ts";

/** A terminal that records its output, without colours. */
export const recordingTerminal = (): Terminal & { readonly written: { out: string; error: string } } => {
  const written = { out: "", error: "" };
  const streams = {
    input: Readable.from([]),
    out: (text: string) => void (written.out += text),
    error: (text: string) => void (written.error += text),
  };
  return { ...terminalOver(streams, { live: false, colors: false }), written };
};
