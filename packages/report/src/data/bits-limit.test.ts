import { fc, test } from "@fast-check/vitest";
import type { Mode } from "@kvtuner/plan";
import { planCost, searchSpace, type Limit, type SearchSpace, type StudyContents } from "@kvtuner/tuning";
import { describe, expect } from "vitest";
import { bitsLimit, limitInWords } from "./bits-limit.ts";

const PAIRS = [
  { key: 8, value: 8 },
  { key: 4, value: 3 },
  { key: 2, value: 4 },
  { key: 4, value: 2 },
  { key: 2, value: 2 },
] as const;
const CONTEXT = 4096;
const CHOICE = fc.array(fc.nat({ max: PAIRS.length - 1 }), { minLength: 4, maxLength: 4 });

const spaceOf = (mode: Mode, context = CONTEXT): SearchSpace =>
  searchSpace(
    { layers: 4, queryHeads: 2, kvHeads: 2, headSize: 32 },
    { mode, pairs: PAIRS, context, cost: "equivalent" },
  );

const studyOf = (limit: Limit): Pick<StudyContents, "request" | "settings"> => ({
  request: { version: 1, out: "study", limit },
  settings: { context: CONTEXT } as StudyContents["settings"],
});

const inWords = (limit: Limit, space: SearchSpace, budget?: number): string => {
  const study = studyOf(limit);
  return limitInWords({ ...study, limit: bitsLimit(study, space, budget) });
};

const THREE = { kind: "equivalent-bits", bits: 3 } as const;

describe("a limit of equivalent bits", () => {
  test.prop([CHOICE, fc.constantFrom(64, 1000, CONTEXT)])(
    "with a scale per token is drawn where every plan is that meets it exactly, at any context",
    (choice, context) => {
      const space = spaceOf("per-token", context);
      const { bits, equivalentBits } = planCost(space, choice);
      const limit = bitsLimit(studyOf({ kind: "equivalent-bits", bits: equivalentBits }), space, undefined);
      expect(limit?.bits).toBeCloseTo(bits, 9);
    },
  );

  test("is named, and a budget replaces it", () => {
    const space = spaceOf("per-token");
    expect(bitsLimit(studyOf(THREE), space, undefined)?.text).toBe("at most 3 equivalent bits");
    expect(inWords(THREE, space)).toBe("");
    expect(bitsLimit(studyOf(THREE), space, 1e6)?.text).toBe("budget");
    expect(inWords(THREE, space, 1e6)).toBe(" The picked plan must have at most 3 equivalent bits.");
  });

  test("is stated in words if keys and values of equal bits cost different bytes", () => {
    const space = spaceOf("compact");
    const [one, other] = [2, 3].map((pair) => planCost(space, [pair, pair, pair, pair]));
    expect(one?.equivalentBits).toBe(other?.equivalentBits);
    expect(one?.bits).not.toBe(other?.bits);
    expect(bitsLimit(studyOf(THREE), space, undefined)).toBe(undefined);
    expect(inWords(THREE, space)).toMatch(/^ The picked plan must have at most 3 equivalent bits, .*no line.*\.$/);
  });
});

test.each<[Limit, number, string]>([
  [{ kind: "bits", bits: 5 }, CONTEXT, ""],
  [{ kind: "bits", bits: 5 }, 1000, " The picked plan must have at most 5 bits at 4,096 tokens."],
  [{ kind: "kl", kl: 0.01 }, CONTEXT, " The picked plan must have KL at most 0.01."],
  [{ kind: "bytes", bytes: 1e6 }, CONTEXT, ""],
  [{ kind: "knee" }, CONTEXT, ""],
])("of %j at %i tokens words say %j", (limit, context, words) => {
  expect(inWords(limit, spaceOf("per-token", context))).toBe(words);
});
