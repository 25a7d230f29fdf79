import type { HeadTables } from "@kvtuner/sensitivity";

/**
 * By width, what a distortion counts for in plans. Errors of different tokens are taken for independent, but what few bits leave out is
 * alike in neighbours, so that it adds up in the output.
 */
const COHERENCE = [2, 1.38, 1.11];

/** By channel, and by width as listed, the loss that the tables state; twice the KL of one token, in nats. */
export const widthLosses = ({ fits }: HeadTables, widths: readonly number[]): number[][] =>
  fits.map((byWidth) => widths.map((width) => (COHERENCE[width] ?? 1) * byWidth[width]!.distortion));

/** The same of a KV head whose channels have these bits. */
export const statedLoss = ({ fits }: HeadTables, widths: Uint8Array): number =>
  fits.reduce((sum, byWidth, channel) => {
    const width = widths[channel]!;
    return sum + (COHERENCE[width] ?? 1) * byWidth[width]!.distortion;
  }, 0);
