import { storedNumbers } from "@kvtuner/plan";
import { z } from "zod";
import type { SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import type { LimitKind } from "./limit-kind.ts";

const schema = z.object({ kind: z.literal("bits"), bits: z.number() });

/** A limit of the kind `bits`. */
export type BitsLimit = Stored<typeof schema>;

/** Rounded up, so that the printed number is accepted as a limit. */
export const exactBits = (bits: number): string => (Math.ceil(bits * 1000) / 1000).toFixed(3);

const bytesOf = ({ bits }: BitsLimit, { shape, context }: SearchSpace): number =>
  Math.floor((bits * storedNumbers(shape, context)) / 8);

/** True bits of a stored number at the context length. */
export const bitsLimit: LimitKind<BitsLimit> = {
  kind: "bits",
  schema,
  text: ({ bits }) => `${bits} bits`,
  bound: {
    of: ({ bits }) => bits,
    most: ({ bits }) => bits,
    limit: (bits) => ({ kind: "bits", bits }),
    option: { name: "bits", kind: "number", value: "<b>", help: "pick the best plan within this number of true bits" },
  },
  cost: {
    table: ({ bytes }) => bytes,
    total: bytesOf,
    focusBytes: bytesOf,
    words: ({ bits }, context) => `${exactBits(bits)} bits${context === undefined ? "" : ` at ${context} tokens`}`,
    // A longer context spreads the tokens kept in 16 bits over more tokens.
    advice: "raise the bits, lengthen --context",
  },
};
