import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { listedRanks, type MergeRank, mergeSymbols } from "./merge-symbols.ts";

/** Looks at all neighbours before each merge. */
const mergeSlowly = (text: string, rankOf: MergeRank): string[] => {
  const pieces = Array.from(text);
  for (;;) {
    const pairs = pieces.slice(1).flatMap((right, index) => {
      const left = pieces[index]!;
      const rank = rankOf(left, right);
      return rank === undefined ? [] : [{ index, rank, length: left.length }];
    });
    pairs.sort((one, other) => one.rank - other.rank || other.length - one.length || one.index - other.index);
    const [first] = pairs;
    if (first === undefined) return pieces;
    pieces.splice(first.index, 2, pieces[first.index]! + pieces[first.index + 1]!);
  }
};

const unit = fc.constantFrom("a", "a", "b", "😀");
const word = fc.string({ unit, minLength: 1, maxLength: 3 });
const text = fc.string({ unit, maxLength: 30 });

test.prop([text, fc.array(fc.tuple(word, word), { maxLength: 20 })])(
  "merges in the order of a list",
  (given, pairs) => {
    const rankOf = listedRanks(pairs.map(([left, right]) => `${left} ${right}`));
    expect(mergeSymbols(given, rankOf)).toEqual(mergeSlowly(given, rankOf));
  },
);

test.prop([
  text,
  fc.uniqueArray(fc.tuple(word, fc.nat(1)), { selector: ([piece]) => piece, minLength: 10, maxLength: 30 }),
])("merges by scores, with equal ones", (given, scores) => {
  const ranks = new Map(scores);
  const rankOf: MergeRank = (left, right) => ranks.get(left + right);
  expect(mergeSymbols(given, rankOf)).toEqual(mergeSlowly(given, rankOf));
});
