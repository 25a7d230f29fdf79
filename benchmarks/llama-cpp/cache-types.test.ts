import { expect, test } from "vitest";
import { formatCacheTypes, parseCacheTypes, tokenBytes } from "./cache-types.ts";

test("names are read and written; all is every pair", () => {
  expect(parseCacheTypes(["q8_0/q4_0", "f16/f16-noflash", "q8_0/q4_0"])).toEqual([
    { key: "q8_0", value: "q4_0", flashAttention: true },
    { key: "f16", value: "f16", flashAttention: false },
  ]);
  const all = parseCacheTypes(["all"]);
  expect(all).toHaveLength(84);
  expect(parseCacheTypes(all.map(formatCacheTypes))).toEqual(all);
});

test.each(["q8_0", "q8_0/q9_0", "f16/f16/f16", "all/all", ""])("%j is rejected", (text) => {
  expect(() => parseCacheTypes([text])).toThrow(expect.objectContaining({ code: "OPTION_INVALID" }));
});

test("bytes of a token: 32 numbers and their 16-bit scale", () => {
  const [types] = parseCacheTypes(["q8_0/q4_0"]);
  expect(tokenBytes(types!, 192)).toBe(6 * (32 + 2) + 6 * (16 + 2));
});
