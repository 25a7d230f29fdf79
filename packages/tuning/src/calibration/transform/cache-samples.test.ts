import { expect, it } from "vitest";
import type { TunableModel } from "../../tunable-model.ts";
import { type CacheSampleOptions, type LayerRows, visitCacheRows } from "./cache-samples.ts";

const TOKENS = 24;
/** Layer 1 is read by another one, too. */
const shape = { layers: 2, queryHeads: 2, kvHeads: 1, headSize: 2, sharing: [{ place: 2, cacheOf: 1, queryHeads: 2 }] };
const options: CacheSampleOptions = {
  residency: { sinks: 1, recent: 3 },
  draws: 2,
  seed: 5,
  callbacks: { progress: () => undefined, warn: () => undefined },
};
const samples = [0, 1].map((sample) => new Int32Array(TOKENS).fill(sample));

/** Keys are the sample and the position, values all 1; queries are 0, so that every token reads all before it alike. */
const fakeModel = (cotangent = 1): TunableModel => {
  const model: Pick<TunableModel, "shape" | "gradients"> = {
    shape,
    gradients: async (given, { draws, seed }, visit) => {
      expect(seed).toBe(5);
      for (const [layer, isOwn] of [
        [1, false],
        [1, true],
        [0, true],
      ] as const)
        for (const [sample, { length }] of given.entries())
          await visit({
            sample,
            layer,
            isOwn,
            trace: {
              query: new Float32Array(length * 4),
              key: Float32Array.from({ length: length * 2 }, (_, index) => (index % 2 ? index >> 1 : sample)),
              value: new Float32Array(length * 2).fill(1),
            },
            gradients: Array.from({ length: draws }, (_, draw) =>
              new Float32Array(length * 4).fill(cotangent * (draw + 1)),
            ),
            attend: async () => expect.fail("no scheme is needed"),
          });
    },
  };
  return model as TunableModel;
};

it("joins the coded tokens of all samples and the gradients of all that read a layer", async () => {
  const found: LayerRows[] = [];
  await visitCacheRows(fakeModel(), samples, options, (rows) => found.push(rows));
  expect(found.map(({ layer }) => layer)).toEqual([1, 0]);
  const coded = Array.from({ length: TOKENS - 4 }, (_, row) => row + 1);
  for (const {
    layer,
    key: [keys],
    value: [values],
  } of found) {
    expect([...keys!.positions]).toEqual([...coded, ...coded]);
    expect([...keys!.rows]).toEqual([0, 1].flatMap((sample) => coded.flatMap((position) => [sample, position])));
    expect(keys!.gradients.flatMap((draw) => [...draw]).every((number) => number === 0)).toBe(true);
    // Queries at 3 tokens after a token or later read it with one share in all tokens that they see, of two query heads.
    const readers = layer === 1 ? 2 : 1;
    const share = (position: number): number =>
      Array.from({ length: TOKENS }, (_, token) => (token >= position + 3 ? 2 / (token + 1) : 0)).reduce(
        (a, b) => a + b,
      );
    for (const [draw, gradients] of values!.gradients.entries())
      for (const [index, gradient] of gradients.entries())
        expect(gradient).toBeCloseTo(readers * (draw + 1) * share(values!.positions[index >> 1]!), 5);
  }
});

it("rejects too little text, saying how much is needed", async () => {
  const short = [new Int32Array(20), new Int32Array(18)];
  await expect(visitCacheRows(fakeModel(), short, options, () => undefined)).rejects.toThrow(
    expect.objectContaining({
      code: "CALIBRATION_TEXT_TOO_SHORT",
      message: expect.stringMatching(/32 tokens or more beside the 4 of each .* got 30/),
    }),
  );
});

it("rejects a model that cannot run backward", async () => {
  await expect(
    visitCacheRows(
      { ...fakeModel(), gradients: undefined } as unknown as TunableModel,
      samples,
      options,
      () => undefined,
    ),
  ).rejects.toThrow(expect.objectContaining({ code: "CALIBRATION_NO_BACKWARD" }));
});
