import { z } from "zod";
import { halvesOf } from "../space/halves.ts";
import type { SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";

const heads = z.array(z.number());

/** Attention errors of one layer under one choice, by KV head. */
export const headErrorsSchema = z.object({ key: heads, value: heads, attention: heads, output: heads });

/** Estimated KL of one half, nats a token, with its relative output error e_o². */
export const halfEstimateSchema = z.object({
  id: z.string(),
  estimate: z.number(),
  standardError: z.number(),
  outputError: z.number(),
});

/** Schema of {@link ProfileEntry}. */
export const profileEntrySchema = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">) => {
  const layer = z.int().min(0).lt(shape.layers);
  const { halves } = halvesOf({ choices });
  return z.discriminatedUnion("kind", [
    /** A layer's loss in nats a token when it alone is quantized and all others are kept in 16 bits. */
    z.object({
      kind: z.literal("kl"),
      layer,
      choice: z.enum(choices.map(({ id }) => id)),
      kl: z.number(),
      klStandardError: z.number(),
    }),
    /** A layer's halves as gradients estimate them, over all samples. */
    z.object({
      kind: z.literal("gradient"),
      layer,
      halves: z.array(halfEstimateSchema).length(halves.length),
      /** KL of the coarsest choice over the sum of its halves. */
      additivity: z.number(),
    }),
    /** Loss of a layer with only its keys or only its values quantized. */
    z.object({
      kind: z.literal("half"),
      layer,
      half: z.enum(halves.map(({ id }) => id)),
      kl: z.number(),
      klStandardError: z.number(),
    }),
    /** Loss of the cache whose layers are all in 16 bits, which that of a half contains. */
    z.object({ kind: z.literal("exact"), kl: z.number(), klStandardError: z.number() }),
    /** A layer's attention errors on one sample, by choice. */
    z.object({
      kind: z.literal("errors"),
      layer,
      sample: z.int().min(0),
      errors: z.array(headErrorsSchema).length(choices.length),
    }),
  ]);
};

/** A line of `profile.jsonl`. */
export type ProfileEntry = Stored<ReturnType<typeof profileEntrySchema>>;
