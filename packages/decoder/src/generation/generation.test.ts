import { fc, test as lawTest } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { generate, type GenerateOptions } from "./generate.ts";
import { sampleToken, seededRandom } from "./sample-token.ts";

/** Small integers, so that ties are common. */
const logitsOf = fc
  .array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 12 })
  .map((list) => Float32Array.from(list));
const draw = fc.nat(1008).map((n) => n / 1009);

describe("sampleToken", () => {
  const firstLargest = (logits: Float32Array): number => logits.indexOf(Math.max(...logits));

  const softmax = (logits: Float32Array, temperature: number): number[] => {
    const weights = Array.from(logits, (logit) => Math.exp(logit / temperature));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    return weights.map((weight) => weight / total);
  };

  lawTest.prop([logitsOf])(
    "takes the lowest id of the largest logits at temperature 0, with no random number",
    (logits) => {
      const random = (): number => expect.fail("a random number was asked for");
      expect(sampleToken(logits, { temperature: 0, random })).toBe(firstLargest(logits));
    },
  );

  lawTest.prop([logitsOf, draw])("takes the same with only one candidate", (logits, number) => {
    const random = (): number => number;
    expect(sampleToken(logits, { temperature: 2, topK: 1, random })).toBe(firstLargest(logits));
    expect(sampleToken(logits, { temperature: 2, topP: 1e-9, random })).toBe(firstLargest(logits));
  });

  lawTest.prop([logitsOf, draw, fc.integer({ min: 1, max: 12 })])(
    "draws among the topK likeliest",
    (logits, number, topK) => {
      const id = sampleToken(logits, { temperature: 3, topK, random: () => number });
      expect(
        logits.filter((logit, other) => logit > logits[id]! || (logit === logits[id] && other < id)).length,
      ).toBeLessThan(topK);
    },
  );

  lawTest.prop([logitsOf, fc.double({ min: 0.01, max: 1, noNaN: true })])(
    "draws all of the fewest likeliest tokens that hold topP, and no other",
    (logits, topP) => {
      const order = [...logits.keys()].toSorted((a, b) => logits[b]! - logits[a]! || a - b);
      const share = softmax(logits, 4);
      const before = order.map((_, rank) => order.slice(0, rank).reduce((held, id) => held + share[id]!, 0));
      fc.pre(before.every((held) => Math.abs(held - topP) > 1e-9));
      const nucleus = order.filter((_, rank) => before[rank]! < topP);
      // The rarest token's share is above 1 / (12 e^2), so these draws hit every token.
      const draws = Array.from({ length: 200 }, (_, step) => (step + 0.5) / 200);
      const drawn = draws.map((number) => sampleToken(logits, { temperature: 4, topP, random: () => number }));
      expect([...new Set(drawn)].toSorted((a, b) => a - b)).toEqual(nucleus.toSorted((a, b) => a - b));
    },
  );

  lawTest.prop([logitsOf, fc.integer({ min: -100, max: 100 }), draw])(
    "does not mind a constant added to all logits",
    (logits, shift, number) => {
      const sampling = { temperature: 1, random: () => number };
      expect(
        sampleToken(
          logits.map((logit) => logit + shift),
          sampling,
        ),
      ).toBe(sampleToken(logits, sampling));
    },
  );

  test("draws each token as often as the softmax says", () => {
    const logits = Float32Array.from({ length: 20 }, (_, id) => Math.sin(7 * id) * 1.5);
    const share = softmax(logits, 0.8);
    const count = 50_000;
    const counts = share.map(() => 0);
    const random = seededRandom(3);
    for (let index = 0; index < count; index++) counts[sampleToken(logits, { temperature: 0.8, random })]! += 1;
    const chiSquare = share.reduce((sum, part, id) => sum + (counts[id]! - count * part) ** 2 / (count * part), 0);
    // One in a thousand samples of the right distribution exceeds this: 19 degrees of freedom.
    expect(chiSquare).toBeLessThan(43.8);
  });

  test("draws the first token of different seeds as different as the later ones of one", () => {
    const counts = Array.from({ length: 20 }, () => 0);
    const seeds = 2000;
    for (let seed = 0; seed < seeds; seed++) counts[Math.floor(20 * seededRandom(seed)())]! += 1;
    const expected = seeds / counts.length;
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(43.8);
  });

  lawTest.prop([fc.oneof(draw, fc.constantFrom(0, 1))])("never draws a token of probability 0", (number) => {
    const logits = Float32Array.of(Number.NEGATIVE_INFINITY, 1, Number.NEGATIVE_INFINITY, 2, Number.NEGATIVE_INFINITY);
    expect([1, 3]).toContain(sampleToken(logits, { temperature: 1, random: () => number }));
  });

  test("refuses settings out of range and logits that are no numbers", () => {
    const random = (): number => 0;
    for (const sampling of [
      { temperature: -1 },
      { temperature: Number.NaN },
      { temperature: 1, topK: 0 },
      { temperature: 1, topP: 0 },
    ])
      expect(() => sampleToken(Float32Array.of(1), { ...sampling, random })).toThrow(
        expect.objectContaining({ code: "GENERATION_SAMPLING" }),
      );
    for (const logits of [new Float32Array(0), Float32Array.of(1, Number.NaN)])
      expect(() => sampleToken(logits, { temperature: 0, random })).toThrow(
        expect.objectContaining({ code: "GENERATION_LOGITS" }),
      );
  });
});

describe("generate", () => {
  /** A model whose likeliest next token is the last one plus one, up to 7. */
  const counting = (calls: number[][] = []): GenerateOptions => ({
    next: async (ids) => {
      calls.push([...ids]);
      return Float32Array.from({ length: 8 }, (_, id) => (id === ids.at(-1)! + 1 ? 1 : 0));
    },
    prompt: Int32Array.of(0, 1),
    sampling: { temperature: 0, random: () => 0 },
    maxTokens: 5,
  });

  const collected = async (options: GenerateOptions): Promise<number[]> => {
    const ids: number[] = [];
    for await (const id of generate(options)) ids.push(id);
    return ids;
  };

  test("gives the model the prompt, then each token alone, and none that nothing follows", async () => {
    const calls: number[][] = [];
    expect(await collected({ ...counting(calls), maxTokens: 3 })).toEqual([2, 3, 4]);
    expect(calls).toEqual([[0, 1], [2], [3]]);
  });

  test("ends before a stop token", async () => {
    expect(await collected({ ...counting(), stopIds: [4] })).toEqual([2, 3]);
  });

  test("ends with the signal's reason", async () => {
    const controller = new AbortController();
    const ids: number[] = [];
    const run = async (): Promise<void> => {
      for await (const id of generate({ ...counting(), signal: controller.signal }))
        if (ids.push(id) === 2) controller.abort(new Error("enough"));
    };
    await expect(run()).rejects.toThrow("enough");
    expect(ids).toEqual([2, 3]);
  });

  test("repeats itself with the same seed", async () => {
    const seeded = (seed: number): GenerateOptions => ({
      ...counting(),
      maxTokens: 40,
      sampling: { temperature: 2, random: seededRandom(seed) },
    });
    expect(await collected(seeded(5))).toEqual(await collected(seeded(5)));
    expect(await collected(seeded(5))).not.toEqual(await collected(seeded(6)));
  });

  test("refuses an empty prompt", async () => {
    await expect(collected({ ...counting(), prompt: new Int32Array(0) })).rejects.toMatchObject({
      code: "GENERATION_EMPTY_PROMPT",
    });
  });
});
