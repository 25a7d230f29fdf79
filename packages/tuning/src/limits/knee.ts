import { z } from "zod";
import type { Stored } from "../storage/storage.ts";
import type { LimitKind } from "./limit-kind.ts";

const schema = z.object({ kind: z.literal("knee") });

/** A limit of the kind `knee`. */
export type KneeLimit = Stored<typeof schema>;

/** No limit: the knee of the front is picked. */
export const kneeLimit: LimitKind<KneeLimit> = {
  kind: "knee",
  schema,
  text: () => "the knee of the front",
};
