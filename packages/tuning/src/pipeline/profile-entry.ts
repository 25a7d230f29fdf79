import { z } from "zod";
import type { SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";

const heads = z.array(z.number());

/** Attention errors of one layer under one choice, by KV head. */
export const headErrorsSchema = z.object({ key: heads, value: heads, attention: heads, output: heads });

/** Schema of {@link ProfileEntry}. */
export const profileEntrySchema = ({ shape, choices }: Pick<SearchSpace, "shape" | "choices">) => {
  const layer = z.int().min(0).lt(shape.layers);
  return z.discriminatedUnion("kind", [
    /** A layer's loss in nats a token when it alone is quantized and all others are kept in 16 bits. */
    z.object({
      kind: z.literal("kl"),
      layer,
      choice: z.enum(choices.map(({ id }) => id)),
      kl: z.number(),
      klStandardError: z.number(),
    }),
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
