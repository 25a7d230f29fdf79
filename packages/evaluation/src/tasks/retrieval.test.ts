import { fc, test } from "@fast-check/vitest";
import { expect, it } from "vitest";
import { RETRIEVAL_KINDS, retrievalItems } from "./retrieval.ts";

/** One token per three characters. */
const encode = (text: string): { length: number } => ({ length: Math.ceil(text.length / 3) });

const cell = fc.record({
  kind: fc.constantFrom(...RETRIEVAL_KINDS),
  tokens: fc.integer({ min: 200, max: 3000 }),
  depth: fc.double({ min: 0, max: 1, noNaN: true }),
});

/** What a reader with a perfect memory answers: follows keys to a number, or finds the sentence. */
const solved = (prompt: string): string => {
  const sentence = /The pass key is (\d+)\. Remember/.exec(prompt);
  if (sentence) return ` ${sentence[1]}`;
  const values = new Map([...prompt.matchAll(/(\w+)=(\w+);/g)].map(([, key, value]) => [key!, value!]));
  let value = /\?(\w+)=$/.exec(prompt)![1]!;
  while (values.has(value)) value = values.get(value)!;
  return value;
};

test.prop([cell, fc.nat(), fc.integer({ min: 1, max: 4 })], { numRuns: 60 })(
  "prompts fill their tokens, can be answered from the text alone, and come from the seed",
  (own, seed, prompts) => {
    const items = retrievalItems(encode, own, { prompts, seed });
    expect(items).toHaveLength(prompts);
    for (const { prompt, answer } of items) {
      expect(encode(prompt).length).toBeLessThanOrEqual(own.tokens);
      expect(encode(prompt).length).toBeGreaterThan(own.tokens - 60);
      expect(solved(prompt)).toBe(answer);
    }
    expect(retrievalItems(encode, own, { prompts, seed })).toEqual(items);
    expect(retrievalItems(encode, own, { prompts, seed: seed + 1 })).not.toEqual(items);
  },
);

test.prop([fc.constantFrom(...RETRIEVAL_KINDS), fc.double({ min: 0, max: 1, noNaN: true })], { numRuns: 60 })(
  "the answer is hidden at the depth",
  (kind, depth) => {
    const [item] = retrievalItems(encode, { kind, tokens: 2000, depth }, { prompts: 1, seed: 3 });
    const { prompt, answer } = item!;
    const place = prompt.indexOf(kind === "passkey" ? `is${answer}.` : `=${answer};`) / prompt.lastIndexOf("\n");
    expect(Math.abs(place - depth)).toBeLessThan(0.06);
  },
);

it("a length without room is an error", () => {
  for (const kind of RETRIEVAL_KINDS)
    expect(() => retrievalItems(encode, { kind, tokens: 6, depth: 0.5 }, { prompts: 1, seed: 0 })).toThrow(/6 tokens/);
});
