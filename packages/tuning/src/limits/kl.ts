import { z } from "zod";
import type { LimitKind } from "./limit-kind.ts";

/** A limit of the kind `kl`. */
export interface KlLimit {
  readonly kind: "kl";
  readonly kl: number;
}

/** A loss: mean KL divergence to the float cache, nats a token. */
export const klLimit: LimitKind<KlLimit> = {
  kind: "kl",
  schema: z.object({ kind: z.literal("kl"), kl: z.number() }),
  text: ({ kl }) => `KL ${kl}`,
  bound: {
    of: ({ kl }) => kl,
    most: ({ kl }) => kl,
    limit: (kl) => ({ kind: "kl", kl }),
    option: { name: "maxKl", kind: "number", value: "<kl>", help: "pick the cheapest plan within this KL" },
  },
};
