import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { splitAtTokens } from "./split-at-tokens.ts";

const text = (maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom("a", "b", "<", "😀"), maxLength });

test.prop([text(30), fc.array(text(4), { minLength: 1, maxLength: 6 })])(
  "splits where a pattern of the tokens, the longest first, matches",
  (given, tokens) => {
    const longestFirst = tokens.filter((token) => token !== "").toSorted((one, other) => other.length - one.length);
    const parts = splitAtTokens(tokens)(given);
    expect(parts).toEqual(longestFirst.length === 0 ? [given] : given.split(new RegExp(`(${longestFirst.join("|")})`)));
  },
);
