import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { stringIndex } from "./string-index.ts";

const text = fc.string({ unit: fc.constantFrom("a", "b", "\0", "é", "😀", "\ud800"), maxLength: 4 });

test.prop([fc.array(text, { maxLength: 60 }), fc.array(text, { maxLength: 3 })])(
  "finds the last of equal texts, whole or in parts, and no other",
  (texts, parts) => {
    const indexOf = stringIndex(texts);
    const find = (wanted: string): number | undefined => {
      const index = texts.lastIndexOf(wanted);
      return index < 0 ? undefined : index;
    };
    expect(indexOf(...parts)).toBe(find(parts.join("")));
    for (const wanted of texts) {
      expect(indexOf(wanted)).toBe(find(wanted));
      expect(indexOf(wanted.slice(0, 1), wanted.slice(1))).toBe(find(wanted));
    }
  },
);
