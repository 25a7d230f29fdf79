import type { HeadErrors } from "@kvtuner/sensitivity";
import { z } from "zod";
import type { SearchSpace } from "../space/space.ts";

/** A layer's loss when it alone is quantized, all others in 16 bits. */
export interface SingleLayerEntry {
  readonly kind: "kl";
  readonly layer: number;
  readonly pair: string;
  /** Nats a token. */
  readonly kl: number;
  readonly klStandardError: number;
}

/** A layer's attention errors on one sample, by pair. */
export interface ErrorsEntry {
  readonly kind: "errors";
  readonly layer: number;
  readonly sample: number;
  readonly pairs: readonly HeadErrors[];
}

/** A line of `profile.jsonl`. */
export type ProfileEntry = SingleLayerEntry | ErrorsEntry;

const heads = z.array(z.number());

/** Checks one parsed line of `profile.jsonl` of a study over this space. */
export const profileEntryParser = ({
  shape,
  pairNames,
}: Pick<SearchSpace, "shape" | "pairNames">): ((value: unknown) => ProfileEntry) => {
  const layer = z.int().min(0).lt(shape.layers);
  const pair = z.enum(pairNames);
  const errors = z.object({ key: heads, value: heads, attention: heads, output: heads });
  const schema = z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("kl"), layer, pair, kl: z.number(), klStandardError: z.number() }),
    z.object({
      kind: z.literal("errors"),
      layer,
      sample: z.int().min(0),
      pairs: z.array(errors).length(pairNames.length),
    }),
  ]);
  return (value) => schema.parse(value);
};
