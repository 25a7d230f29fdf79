import { describe, expect, test } from "vitest";
import { OutOfMemoryError } from "./append.ts";

describe("an OutOfMemoryError", () => {
  test("beyond the limit names the limit", () => {
    expect(new OutOfMemoryError(2000, 1000)).toMatchObject({
      code: "BACKEND_OUT_OF_MEMORY",
      neededBytes: 2000,
      limitBytes: 1000,
      message:
        "expected at most 1000 bytes in a cache, got a call that needs 2000; choose a coarser plan or a shorter text, or raise the limit",
    });
  });

  test("of a full memory names the additional bytes, which may be few", () => {
    const cause = new Error("no memory");
    const full = { what: "the GPU's memory", isFull: true } as const;
    expect(new OutOfMemoryError(256, 1000, { ...full, cause })).toMatchObject({
      neededBytes: 256,
      limitBytes: 1000,
      cause,
      message: expect.stringMatching(/^the GPU's memory is full: a call needs 256 more bytes; choose /) as string,
    });
    expect(new OutOfMemoryError(256, 1000, { ...full, heldBytes: 800 }).message).toMatch(
      /is full: a call needs \d+ more bytes, and this backend uses 800 of 1000 bytes; choose /,
    );
  });
});
