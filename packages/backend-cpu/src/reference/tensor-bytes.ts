import type { TensorBytes } from "@kvtuner/plan";
import type { StoredTensor } from "./stored-tensor.ts";

/** Counts the stored arrays, independently of the plan's arithmetic. */
export const tensorBytes = ({ blocks, exact }: StoredTensor): TensorBytes => {
  const bytes: Record<string, number> = {};
  for (const parts of [
    ...blocks.flatMap((held) => [...held.values()]),
    ...[...exact.values()].map((row) => ({ exact: row })),
  ])
    for (const [part, { byteLength }] of Object.entries(parts)) bytes[part] = (bytes[part] ?? 0) + byteLength;
  return bytes;
};
