import { fc, test as lawTest } from "@fast-check/vitest";
import { describe, expect, test } from "vitest";
import { generate, type GenerateOptions } from "./generate.ts";
import { sampleToken, seededRandom } from "./sample-token.ts";

/** Small whole numbers, so that ties are common. */
const logitsOf = fc
  .array(fc.integer({ min: -4, max: 4 }), { minLength: 1, maxLength: 12 })
  .map((list) => Float32Array.from(list));
const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe("sampleToken", () => {
  const firstLargest = (logits: Float32Array): number => logits.indexOf(Math.max(...logits));

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

  lawTest.prop([logitsOf, draw, fc.double({ min: 0.01, max: 1, noNaN: true })])(
    "draws a token only while likelier ones hold less than topP",
    (logits, number, topP) => {
      const id = sampleToken(logits, { temperature: 1, topP, random: () => number });
      const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
      const before = logits.reduce(
        (sum, logit, other) =>
          sum + (logit > logits[id]! || (logit === logits[id] && other < id) ? Math.exp(logit) : 0),
        0,
      );
      expect(before / total).toBeLessThan(topP + 1e-9);
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
    const logits = Float32Array.of(0, Math.log(3), Number.NEGATIVE_INFINITY, Math.log(4));
    const count = 20_000;
    const counts = [0, 0, 0, 0];
    const random = seededRandom(3);
    for (let index = 0; index < count; index++) counts[sampleToken(logits, { temperature: 1, random })]! += 1;
    // Five standard deviations of a share at most.
    [1 / 8, 3 / 8, 0, 4 / 8].forEach((share, id) => expect(Math.abs(counts[id]! / count - share)).toBeLessThan(0.018));
    expect(counts[2]).toBe(0);
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
  /** A model whose likeliest token is one more than the last, up to 7. */
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
