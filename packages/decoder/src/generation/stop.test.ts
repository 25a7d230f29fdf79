import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { stopper } from "./stop.ts";

const letters = fc.string({ unit: fc.constantFrom("a", "b"), minLength: 1, maxLength: 4 });

test.prop([fc.array(letters, { maxLength: 12 }), fc.array(letters, { maxLength: 3 })])(
  "pieces give the text before the first stop text, whatever they are, and never more than that",
  (pieces, stops) => {
    const whole = pieces.join("");
    const starts = (end: number): number[] =>
      stops.filter((stop) => whole.slice(0, end).endsWith(stop)).map((stop) => end - stop.length);
    const found = Array.from(whole, (_, index) => starts(index + 1)).find((first) => first.length > 0);
    const expected = found === undefined ? whole : whole.slice(0, Math.min(...found));
    const { push, end, stopped } = stopper(stops);
    let given = "";
    for (const piece of pieces) {
      given += push(piece);
      expect(expected.startsWith(given)).toBe(true);
    }
    expect(given + end()).toBe(expected);
    expect(stopped()).toBe(found !== undefined);
  },
);
