import { expect, test } from "vitest";
import { assertMemory } from "./memory.ts";

test("weights that do not fit are rejected with needed memory, free memory and advice", () => {
  const need = { keptBytes: 2_000_000_000, peakBytes: 5_000_000_000 };
  assertMemory(need, "stored", 4_300_000_000);
  expect(() => assertMemory(need, "stored", 4_200_000_000)).toThrow(
    expect.objectContaining({
      code: "MODEL_MEMORY",
      message: expect.stringMatching(/about 5.* of free memory.* as stored, got 4.*--weights stored-int8/) as unknown,
    }),
  );
  expect(() => assertMemory(need, "stored-int8", 1)).toThrow(/close other programs, or use a smaller model/);
});
