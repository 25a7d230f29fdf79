import { z } from "zod";
import type { CostTable, SearchSpace } from "../space/space.ts";
import type { Stored } from "../storage/storage.ts";
import { exactBits } from "./bits.ts";
import type { LimitKind } from "./limit-kind.ts";

const schema = z.object({ kind: z.literal("equivalent-bits"), bits: z.number() });

/** A limit of the kind `equivalent-bits`. */
export type EquivalentBitsLimit = Stored<typeof schema>;

/** In binary, 3.2 bits times 20 is not exactly 64. */
const ROUNDING = 1e-9;

/** Bytes of a plan with this number of equivalent bits, on the line from the plan of fewest bits and bytes to that of most. */
const bytesNear = (equivalentBits: number, { shape, codeBits, bytes }: SearchSpace): number => {
  const [few, many] = rangeOf(codeBits);
  const [low, high] = rangeOf(bytes);
  const share = many > few ? Math.min(1, Math.max(0, (2 * shape.layers * equivalentBits - few) / (many - few))) : 1;
  return Math.ceil(low + share * (high - low));
};

const rangeOf = (table: CostTable): [least: number, most: number] => [
  table.reduce((sum, costs) => sum + Math.min(...costs), 0),
  table.reduce((sum, costs) => sum + Math.max(...costs), 0),
];

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
    table: ({ codeBits }) => codeBits,
    total: ({ bits }, { shape }) => 2 * shape.layers * bits + ROUNDING,
    focusBytes: ({ bits }, space) => bytesNear(bits, space),
    // The size of codes does not depend on the context length.
    words: ({ equivalentBits }) => `${exactBits(equivalentBits)} equivalent bits`,
    advice: "raise the bits",
  },
};
