import { fc, test } from "@fast-check/vitest";
import { describe, expect, it } from "vitest";
import { allocateWidths, type WidthGroup } from "./allocate-widths.ts";

/** Losses that fall ever more slowly, as those of a quantizer do. */
const channel = fc.tuple(
  fc.double({ min: 0.01, max: 100, noNaN: true }),
  fc.double({ min: 0.1, max: 0.6, noNaN: true }),
);

const groupsOf = (widths: readonly number[]): fc.Arbitrary<WidthGroup[]> =>
  fc.array(
    fc.record({
      heads: fc.array(
        fc
          .array(channel, { minLength: 1, maxLength: 2 })
          .map((channels) => channels.map(([variance, ratio]) => widths.map((width) => variance * ratio ** width))),
        { minLength: 1, maxLength: 1 },
      ),
      tokens: fc.constantFrom(1, 3),
    }),
    { minLength: 1, maxLength: 2 },
  );

const WIDTHS = [0, 1, 2, 4];

describe("allocateWidths", () => {
  test.prop([groupsOf(WIDTHS), fc.integer({ min: 0, max: 40 })], { numRuns: 150 })(
    "is optimal for some price of a bit, up to the last steps",
    (groups, bits) => {
      const found = allocateWidths(groups, { widths: WIDTHS, bits });
      expect(cost(groups, found)).toBeLessThanOrEqual(bits);
      const largestStep = 2 * Math.max(...groups.map(({ tokens }) => tokens));
      const best = everyAllocation(groups).filter((own) => cost(groups, own) <= bits - largestStep);
      for (const own of best) expect(loss(groups, found)).toBeLessThanOrEqual(loss(groups, own) * (1 + 1e-12));
    },
  );

  test.prop([groupsOf(WIDTHS), fc.integer({ min: 0, max: 40 })], { numRuns: 100 })(
    "equals the brute-force optimum of as many bits where each bit saves less than the one before",
    (groups, bits) => {
      const found = allocateWidths(
        groups.map((group) => ({ ...group, tokens: 1, heads: unit(group) })),
        { widths: [0, 1, 2], bits },
      );
      const alike = groups.map((group) => ({ ...group, tokens: 1, heads: unit(group) }));
      const best = Math.min(
        ...everyAllocation(alike, [0, 1, 2])
          .filter((own) => cost(alike, own) <= bits)
          .map((own) => loss(alike, own, [0, 1, 2])),
      );
      expect(loss(alike, found, [0, 1, 2])).toBeCloseTo(best, 9);
    },
  );

  test.prop([groupsOf(WIDTHS), fc.integer({ min: 0, max: 30 })], { numRuns: 100 })(
    "loses no more with more bits",
    (groups, bits) => {
      const lossAt = (budget: number): number => loss(groups, allocateWidths(groups, { widths: WIDTHS, bits: budget }));
      // Steps are skipped only where they do not fit, so a budget that fits them all is compared with one that may not.
      expect(lossAt(bits + 12)).toBeLessThanOrEqual(lossAt(bits) * (1 + 1e-12));
    },
  );

  it("gives the heads of a group as many bits each", () => {
    const heads = [
      [
        [100, 25, 6],
        [50, 12, 3],
      ],
      [
        [1, 0.2, 0.05],
        [0.5, 0.1, 0.02],
      ],
    ];
    const [found] = allocateWidths([{ heads, tokens: 1 }], { widths: [0, 1, 2], bits: 6 });
    expect(found!.map((widths) => widths.reduce((sum, width) => sum + width, 0))).toEqual([3, 3]);
  });

  it("spends nothing on channels that are 0", () => {
    expect(
      allocateWidths(
        [
          {
            heads: [
              [
                [0, 0, 0],
                [3, 1, 0],
              ],
            ],
            tokens: 1,
          },
        ],
        { widths: [0, 1, 2], bits: 9 },
      ),
    ).toEqual([[Uint8Array.of(0, 2)]]);
  });
});

const unit = ({ heads }: WidthGroup): WidthGroup["heads"] =>
  heads.map((own) => own.map((losses) => Array.from(losses).slice(0, 3)));

type Allocation = readonly (readonly ArrayLike<number>[])[];

const cost = (groups: readonly WidthGroup[], allocation: Allocation): number =>
  sum(allocation, (heads, group) =>
    sum(heads, (widths) => sum(Array.from(widths), (width) => width * groups[group]!.tokens)),
  );

const loss = (groups: readonly WidthGroup[], allocation: Allocation, widths: readonly number[] = WIDTHS): number =>
  sum(allocation, (heads, group) =>
    sum(heads, (own, head) =>
      sum(Array.from(own), (width, place) => groups[group]!.heads[head]![place]![widths.indexOf(width)]!),
    ),
  );

const sum = <Item>(items: readonly Item[], of: (item: Item, place: number) => number): number =>
  items.reduce((total, item, place) => total + of(item, place), 0);

const everyAllocation = (groups: readonly WidthGroup[], widths: readonly number[] = WIDTHS): Allocation[] =>
  combinations(groups.map(({ heads }) => combinations(heads.map((own) => combinations(own.map(() => widths))))));

const combinations = <Item>(choices: readonly (readonly Item[])[]): Item[][] =>
  choices.reduce<Item[][]>((all, own) => all.flatMap((start) => own.map((item) => [...start, item])), [[]]);
