import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { stringIndex } from "./string-index.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "\0", "é", "😀", "\ud800"), maxLength: 4 });

test.prop([fc.array(text, { maxLength: 60 }), fc.array(text, { maxLength: 3 })])(
  "finds the last of equal texts, whole or in parts, and no other",
  (texts, parts) => {
    const indexOf = stringIndex(texts);
    const map = new Map(texts.map((wanted, index) => [wanted, index]));
    const find = (wanted: string): number | undefined => map.get(wanted);
    expect(indexOf(...parts)).toBe(find(parts.join("")));
    for (const wanted of texts) {
      expect(indexOf(wanted)).toBe(find(wanted));
      expect(indexOf(wanted.slice(0, 1), wanted.slice(1))).toBe(find(wanted));
    }
  },
);

// With a place for each, this would take minutes.
test("indexes a text that a vocabulary lists 300,000 times", () => {
  const indexOf = stringIndex(["first", ...Array<string>(300_000).fill("<unused>"), "last"]);
  expect(indexOf("first")).toBe(0);
  expect(indexOf("<un", "used>")).toBe(300_000);
  expect(indexOf("last")).toBe(300_001);
  expect(indexOf("<unused")).toBeUndefined();
});
