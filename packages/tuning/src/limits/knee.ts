import { z } from "zod";
import type { LimitKind } from "./limit-kind.ts";

/** A limit of the kind `knee`. */
export interface KneeLimit {
  readonly kind: "knee";
}

/** No limit: the knee of the front is picked. */
export const kneeLimit: LimitKind<KneeLimit> = {
  kind: "knee",
  schema: z.object({ kind: z.literal("knee") }),
  text: () => "the knee of the front",
};
