import { describe, expect, test } from "vitest";
import { OutOfMemoryError } from "./append.ts";

describe("an OutOfMemoryError", () => {
  test("of more than is allowed says how much is", () => {
    expect(new OutOfMemoryError(2000, 1000)).toMatchObject({
      code: "BACKEND_OUT_OF_MEMORY",
      neededBytes: 2000,
      limitBytes: 1000,
      message:
        "expected a cache of at most 1000 bytes, this call needs 2000; choose a coarser plan, a shorter text, or allow more",
    });
  });

  test("of a memory that is full says what was asked for on top, for it may be little", () => {
    const cause = new Error("no room");
    const full = { what: "the GPU's memory", isFull: true } as const;
    expect(new OutOfMemoryError(256, 1000, { ...full, cause })).toMatchObject({
      neededBytes: 256,
      limitBytes: 1000,
      cause,
      message: expect.stringMatching(
        /^expected room for 256 more bytes in the GPU's memory, which has none left; choose /,
      ) as string,
    });
    expect(new OutOfMemoryError(256, 1000, { ...full, heldBytes: 800 }).message).toMatch(
      /which has none left: this backend holds 800 of 1000 bytes; choose /,
    );
  });
});
