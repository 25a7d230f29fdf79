import { z } from "zod";
import type { Stored } from "../storage/storage.ts";
import type { LimitKind } from "./limit-kind.ts";

const schema = z.object({ kind: z.literal("kl"), kl: z.number() });

/** A limit of the kind `kl`. */
export type KlLimit = Stored<typeof schema>;

/** A loss: mean KL divergence to the float cache, nats a token. */
export const klLimit: LimitKind<KlLimit> = {
  kind: "kl",
  schema,
  text: ({ kl }) => `KL ${kl}`,
  bound: {
    of: ({ kl }) => kl,
    most: ({ kl }) => kl,
    limit: (kl) => ({ kind: "kl", kl }),
    option: { name: "maxKl", kind: "number", value: "<kl>", help: "pick the cheapest plan within this KL" },
  },
};
