import { z } from "zod";
import type { SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import { exactBits } from "./bits.ts";
import type { LimitKind } from "./limit-kind.ts";

const schema = z.object({ kind: z.literal("equivalent-bits"), bits: z.number() });

/** A limit of the kind `equivalent-bits`. */
export type EquivalentBitsLimit = Stored<typeof schema>;

/** 3.2 bits over ten layers are 64, and a little more or less in binary. */
const ROUNDING = 1e-9;

/** Bytes of a plan of so many equivalent bits, on the line from the smallest choice in every layer to the largest. */
const bytesNear = (equivalentBits: number, { shape, codeBits, layerBytes }: SearchSpace): number => {
  const [low, high] = [Math.min(...layerBytes), Math.max(...layerBytes)];
  const [few, many] = [Math.min(...codeBits), Math.max(...codeBits)];
  const share = many > few ? Math.min(1, Math.max(0, (2 * equivalentBits - few) / (many - few))) : 1;
  return Math.ceil(shape.layers * (low + share * (high - low)));
};

/** The paper's bits: the mean of key and value bits, codes alone. */
export const equivalentBitsLimit: LimitKind<EquivalentBitsLimit> = {
  kind: "equivalent-bits",
  schema,
  text: ({ bits }) => `${bits} equivalent bits`,
  bound: {
    of: ({ equivalentBits }) => equivalentBits,
    most: ({ bits }) => bits,
    limit: (bits) => ({ kind: "equivalent-bits", bits }),
    option: {
      name: "equivalentBits",
      kind: "number",
      value: "<b>",
      help: "pick the best plan within this number of equivalent bits, the paper's measure",
    },
  },
  cost: {
    ofLayer: ({ codeBits }) => codeBits,
    total: ({ bits }, { shape }) => 2 * shape.layers * bits + ROUNDING,
    focusBytes: ({ bits }, space) => bytesNear(bits, space),
    // Codes are as large at any length.
    words: ({ equivalentBits }) => `${exactBits(equivalentBits)} equivalent bits`,
    advice: "raise the bits",
  },
};
