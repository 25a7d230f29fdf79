import type { HeadErrors } from "@kvtuner/sensitivity";
import { z } from "zod";

/** A layer's loss when it alone is quantized, all others in 16 bits. */
export interface SingleLayerEntry {
  readonly kind: "kl";
  readonly layer: number;
  readonly pair: string;
  /** Nats a token. */
  readonly kl: number;
  readonly klStandardError: number;
}

/** A layer's attention errors on one window, by pair. */
export interface ErrorsEntry {
  readonly kind: "errors";
  readonly layer: number;
  readonly window: number;
  readonly pairs: readonly HeadErrors[];
}

/** A line of `profile.jsonl`. */
export type ProfileEntry = SingleLayerEntry | ErrorsEntry;

const heads = z.array(z.number());

const schema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("kl"), layer: z.number(), pair: z.string(), kl: z.number(), klStandardError: z.number() }),
  z.object({
    kind: z.literal("errors"),
    layer: z.number(),
    window: z.number(),
    pairs: z.array(z.object({ key: heads, value: heads, attention: heads, output: heads })),
  }),
]);

/** Checks one parsed line of `profile.jsonl`. */
export const parseProfileEntry = (value: unknown): ProfileEntry => schema.parse(value);
