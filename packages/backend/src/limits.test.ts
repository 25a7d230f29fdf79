import { expect, test } from "vitest";
import { limitsWithin } from "./limits.ts";

const most = { maxTokens: 100, maxCacheBytes: 1000 };

test("given limits apply, capped at the backend's own", () => {
  expect(limitsWithin(most, {})).toEqual(most);
  expect(limitsWithin(most, { maxTokens: 0, maxCacheBytes: Infinity })).toEqual({ maxTokens: 0, maxCacheBytes: 1000 });
});

test.each([-1, 1.5, Number.NaN, "9" as unknown as number])("%j is not a limit", (given) => {
  expect(() => limitsWithin(most, { maxTokens: given })).toThrow(expect.objectContaining({ code: "BACKEND_LIMIT" }));
  expect(() => limitsWithin(most, { maxCacheBytes: given })).toThrow(
    expect.objectContaining({ code: "BACKEND_LIMIT" }),
  );
});
