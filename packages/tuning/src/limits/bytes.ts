import { formatBytes } from "@kvtuner/plan";
import { z } from "zod";
import type { Stored } from "../storage/storage.ts";
import type { LimitKind } from "./limit-kind.ts";

/** The exact size, which is accepted as a limit, and a rounded one. */
export const exactBytes = (bytes: number): string => `${bytes} bytes (${formatBytes(bytes)})`;

const schema = z.object({ kind: z.literal("bytes"), bytes: z.number() });

/** A limit of the kind `bytes`. */
export type BytesLimit = Stored<typeof schema>;

/** Bytes at the context length. */
export const bytesLimit: LimitKind<BytesLimit> = {
  kind: "bytes",
  schema,
  text: ({ bytes }) => exactBytes(bytes),
  bound: {
    of: ({ bytes }) => bytes,
    most: ({ bytes }) => bytes,
    limit: (bytes) => ({ kind: "bytes", bytes }),
    option: {
      name: "budget",
      kind: "bytes",
      value: "<bytes>",
      help: "pick the best plan within this size, such as 40MB",
    },
  },
  cost: {
    table: ({ bytes }) => bytes,
    total: ({ bytes }) => bytes,
    focusBytes: ({ bytes }) => bytes,
    words: ({ bytes }, context) => exactBytes(bytes) + (context === undefined ? "" : ` at ${context} tokens`),
    advice: "raise the budget, shorten --context",
  },
};
