import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { summaryCotangent } from "../test-support/gradient-summary.ts";
import { oneThreadSession } from "../test-support/one-thread-session.ts";
import { backward, type CotangentArrays } from "./backward.ts";
import type { StateStore } from "./forward-states.ts";

const createSession = oneThreadSession;

const SAMPLES = 2;

/** Lends copies, and spoils them when others are lent, as a store that reads from a file may. */
const strictStore = (): StateStore => {
  const spoil = (arrays: readonly Float32Array[]): void => arrays.forEach((array) => array.fill(Number.NaN));
  const returned: Float32Array[] = [];
  return {
    hold: async (arrays) => {
      const own = arrays.map((array) => array.slice());
      return {
        use: async (work) => {
          spoil(returned.splice(0));
          const lent = own.map((array) => array.slice());
          const result = await work(lent);
          returned.push(...lent);
          return result;
        },
        release: () => spoil(own),
      };
    },
  };
};

/** Gradients at a hole for a text, copied. */
type Found = readonly [hole: number, text: number, ...gradients: (Float32Array | undefined)[]];

// Layers of gemma4 share caches; qwen35 has recurrent ones.
test.each(["gemma4", "qwen35"])("a pass over %s goes on where an earlier one kept cotangents", async (name) => {
  const model = familyModel(name);
  const decoder = await loadDecoder(await openGguf(bufferSource(familyGguf(model))), {
    createSession,
    ...model.options,
  });
  const texts = [model.ids, model.ids.slice(0, 5)];
  const weights = summaryCotangent(SAMPLES * model.ids.length, decoder.vocabularySize);
  const boundaries = new Map<number, CotangentArrays[]>();
  const keep = async (hole: number, text: number, arrays: CotangentArrays): Promise<void> => {
    const own = boundaries.get(hole) ?? [];
    own[text] = structuredClone(arrays);
    boundaries.set(hole, own);
  };
  let headSteps = 0;
  const pass = async (start?: number): Promise<Found[]> => {
    const read = async (text: number): Promise<CotangentArrays> => structuredClone(boundaries.get(start!)![text]!);
    const steps = backward({
      decoder,
      createSession,
      texts,
      samples: SAMPLES,
      cotangent: ({ cotangent }) => {
        headSteps++;
        cotangent.set(weights.subarray(0, cotangent.length));
      },
      store: strictStore(),
      checkpoint: { kept: start === undefined ? undefined : { hole: start, read }, keep },
    });
    const found: Found[] = [];
    for await (const { hole, text, output, query, key, value } of steps)
      found.push([hole, text, ...[output, query, key, value].map((array) => array?.slice())]);
    return found;
  };
  const whole = await pass();
  expect(whole.flat().some((array) => array instanceof Float32Array && array.some(Number.isNaN))).toBe(false);
  const holes = [...boundaries.keys()];
  const wholeHeadSteps = headSteps;
  expect(holes.length).toBeGreaterThan(1);
  for (const hole of [holes[0]!, holes.at(-1)!]) expect(await pass(hole)).toEqual(whole.filter(([own]) => own < hole));
  expect(headSteps).toBe(wholeHeadSteps);
  await decoder.dispose();
});
