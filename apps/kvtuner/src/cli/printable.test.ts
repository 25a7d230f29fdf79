import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { oneLine, printable } from "./printable.ts";

const CONTROL = /(?![\n\t])[\p{Cc}\p{Cs}\u2028\u2029\u202A-\u202E\u2066-\u2069]/u;

/** Text with many characters that terminals act on. */
const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary", maxLength: 5 }),
      fc.integer({ min: 0, max: 0x9f }).map((code) => String.fromCharCode(code)),
      fc.constantFrom("\u001B]52;c;cm0gLXJm\u0007", "\u009B31m", "\u202E", "\r\n", "\u001B[2J", "\uD800"),
    ),
  )
  .map((parts) => parts.join(""));

test.prop([hostile])("escapes everything that a terminal acts on, and keeps other characters", (text) => {
  expect(printable(text)).not.toMatch(CONTROL);
  const plain = text.replaceAll(new RegExp(CONTROL, "gu"), "");
  expect(printable(plain)).toBe(plain);
  expect(oneLine(text)).not.toMatch(/[\n\r]/);
});

test.prop([hostile])("JSON keeps its meaning", (text) => {
  expect(JSON.parse(printable(JSON.stringify({ text })))).toEqual({ text });
});
