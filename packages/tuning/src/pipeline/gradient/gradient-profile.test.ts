import { pairOf, type LayerScheme } from "@kvtuner/plan";
import { describe, expect, test } from "vitest";
import type { Progress } from "../../progress.ts";
import { EXACT } from "../../space/halves.ts";
import { searchSpace } from "../../space/space.ts";
import { openJournal, type Journal } from "../../storage/journal.ts";
import { memoryStorage } from "../../storage/memory-storage.ts";
import type { StudyStorage } from "../../storage/storage.ts";
import type { TunableModel } from "../../tunable-model.ts";
import { profileEntrySchema, type ProfileEntry } from "../profile-entry.ts";
import { profileSchema, type PlanLosses } from "../profile.ts";
import { gradientProfileStep } from "./gradient-profile.ts";

const LAYERS = 3;
const TOKENS = 4;
const WIDTH = 32;
/** The layers are layers 1, 3 and 4 of the model. */
const recurrent = [0, 2].map((place) => ({ place, kind: "short convolution", stateBytes: 8 }));
const shape = { layers: LAYERS, queryHeads: 1, kvHeads: 1, headSize: WIDTH, recurrent };
const pairs = ([8, 4, 2] as const).flatMap((key) => ([8, 4, 2] as const).map((value) => ({ key, value })));
const space = searchSpace(shape, { mode: "per-token", pairs, context: 256, cost: "true" });
/** The last prediction counts in one text, all in the other. */
const texts = [TOKENS - 1, 0].map((from) => ({ ids: Int32Array.from({ length: TOKENS }, (_, token) => token), from }));

/** Mean of half the squares of 1, -1, 2, -2. */
const HALF_SQUARE = 1.25;

/** Relative error of the attention output of a layer: of keys and values apart, in different channels. */
type OutputErrors = (layer: number, tensor: "key" | "value", bits: number) => number;

const small: OutputErrors = (layer, tensor, bits) =>
  bits === 16 ? 0 : (tensor === "key" ? 0.2 : 0.1) * (layer + 1) * 2 ** -bits;

/** One value for each channel of each token. */
const rows = (row: (channel: number, token: number) => number): Float32Array =>
  Float32Array.from({ length: TOKENS * WIDTH }, (_, index) => row(index % WIDTH, Math.floor(index / WIDTH)));

const TRACE = { query: rows(() => 1), key: rows((channel) => channel), value: rows((channel) => channel) };

/** A model whose attention output is 1 in channel 0 of each token and whose gradients are 1, -1, 2, -2 by draw in 1 and 2. */
const fakeGradients = (errors: OutputErrors, attended: string[] = []): NonNullable<TunableModel["gradients"]> => {
  return async (given, { draws, counts, checkpoint }, visit) => {
    const { kept, keep } = checkpoint!;
    for (const sample of kept ? given.keys() : [])
      expect(await kept!.read(sample)).toEqual(boundary(kept!.hole, sample));
    for (let layer = (kept?.hole ?? LAYERS) - 1; layer >= 0; layer--) {
      for (const sample of given.keys())
        await visit({
          sample,
          layer,
          isOwn: true,
          trace: TRACE,
          gradients: Array.from({ length: draws }, (_, draw) =>
            rows((channel, token) => (channel > 2 || !counts(sample, token) ? 0 : [1, -1, 2, -2][draw]!)),
          ),
          attend: async (scheme: LayerScheme) => {
            const { key, value } = pairOf(scheme);
            attended.push(`${sample} ${layer} K${key}V${value}`);
            return rows((channel) => [1, errors(layer, "key", key), errors(layer, "value", value)][channel] ?? 0);
          },
        });
      for (const sample of given.keys()) await keep(layer, sample, boundary(layer, sample));
    }
  };
};

/** What the model keeps between layers, of four draws. */
const boundary = (layer: number, sample: number): Record<string, Float32Array> => ({
  residual: new Float32Array(3 * 4 * TOKENS).fill(layer + sample + 0.1),
  query: new Float32Array(4 * TOKENS).fill(layer - sample),
});

const failed = (message: string): never => expect.fail(message);

const opened = (storage: StudyStorage, warn: (message: string) => void = failed): Promise<Journal<ProfileEntry>> =>
  openJournal({
    storage,
    name: "profile.jsonl",
    parse: (value) => profileEntrySchema(space).parse(value),
    warn,
  });

const untraced = { trace: () => expect.fail("errors were measured again") };

const noLosses: PlanLosses = () => expect.fail("a plan was measured");

/** Loss of 16 bits in all layers, which every plan has. */
const EXACT_LOSS = 1e-7;

/** Measures what gradients estimate, times a factor, and keeps the plans. */
const lossesOf =
  (
    errors: OutputErrors,
    factor: (layer: number) => number,
    measured: string[] = [],
    exact: number = EXACT_LOSS,
  ): PlanLosses =>
  async (plans, onLoss) => {
    for (const [index, plan] of plans.entries()) {
      const layer = plan.findIndex((scheme) => pairOf(scheme).key + pairOf(scheme).value < 32);
      const { key, value } = pairOf(plan[layer] ?? EXACT);
      if (layer >= 0) measured.push(`${layer} K${key}V${value}`);
      const square = errors(layer, "key", key) ** 2 + errors(layer, "value", value) ** 2;
      const kl = layer < 0 ? 0 : factor(layer) * HALF_SQUARE * square;
      await onLoss(index, { kl: exact + kl, klStandardError: Number.NaN });
    }
  };

interface Callbacks {
  readonly progress: (progress: Progress) => void;
  readonly warn: (message: string) => void;
}

const profiled = async (
  storage: StudyStorage,
  gradients: NonNullable<TunableModel["gradients"]>,
  losses: PlanLosses,
  { progress = () => undefined, warn = failed }: Partial<Callbacks> = {},
): Promise<Awaited<ReturnType<typeof gradientProfileStep>>> =>
  gradientProfileStep(
    {
      model: untraced,
      gradients,
      space,
      texts,
      seed: 0,
      storage,
      journal: await opened(storage),
      callbacks: { progress, warn },
    },
    losses,
  );

const expectNear = (actual: number | undefined, expected: number): void => {
  expect(Math.abs((actual ?? Number.NaN) - expected)).toBeLessThan(1e-6 * expected + 1e-12);
};

describe("gradientProfileStep", () => {
  test("adds the estimates of both halves, and only checks some while errors are small", async () => {
    const measured: string[] = [];
    const losses = lossesOf(small, () => 1, measured);
    const profile = await profiled(memoryStorage(), fakeGradients(small), losses);
    expect(measured.length).toBeGreaterThan(0);
    expect(measured.length).toBeLessThanOrEqual(8);
    expect(profileSchema(space).parse(JSON.parse(JSON.stringify(profile)))).toEqual(profile);
    for (const { layer, candidates, halves, additivity } of profile.layers) {
      expect(halves).toHaveLength(6);
      // Both errors meet the same gradient: (k + v)² over k² + v², with k twice v.
      expectNear(additivity, 9 / 5);
      for (const [choice, { id, estimate, kl }] of candidates.entries()) {
        const { key, value } = pairs[choice]!;
        expect(id).toContain(`K${key}V${value}`);
        expect(kl).toBeUndefined();
        expectNear(estimate, HALF_SQUARE * (small(layer, "key", key) ** 2 + small(layer, "value", value) ** 2));
      }
    }
  });

  test("a killed run loses at most one layer, and a finished one repeats nothing", async () => {
    const losses = lossesOf(small, () => 1.2);
    const whole = await profiled(memoryStorage(), fakeGradients(small), losses);
    const storage = memoryStorage();
    let reports = 0;
    const kill = (): void => {
      if (++reports === 3) throw new Error("killed");
    };
    await expect(profiled(storage, fakeGradients(small), losses, { progress: kill })).rejects.toThrow("killed");
    expect(await storage.list()).toContain("gradients-0-0.bin");
    const attended: string[] = [];
    expect(await profiled(storage, fakeGradients(small, attended), losses)).toEqual(whole);
    expect(new Set(attended.map((name) => name.split(" ")[1]))).toEqual(new Set(["0"]));
    expect(await storage.list()).toEqual(["profile.jsonl"]);
    const unused = (): never => expect.fail("ran again");
    expect(await profiled(storage, unused, noLosses)).toEqual(whole);
  });

  test.each(["gradients-0-0.bin", "gradients-1-0.bin", "gradients.json"])(
    "a pass goes on when %s cannot be written",
    async (name) => {
      const losses = lossesOf(small, () => 1.2);
      const whole = await profiled(memoryStorage(), fakeGradients(small), losses);
      const warnings: string[] = [];
      const memory = memoryStorage();
      const write = async (...[own, contents]: Parameters<StudyStorage["write"]>): Promise<void> => {
        if (own === name) throw new Error("ENOSPC: no space left on device");
        expect(warnings).toEqual([]);
        await memory.write(own, contents);
      };
      const remove = async (own: string): Promise<void> => {
        expect(warnings).not.toEqual([]);
        await memory.remove(own);
      };
      const storage = { ...memory, write, remove };
      const callbacks = { progress: () => undefined, warn: (message: string) => void warnings.push(message) };
      const journal = await opened(storage);
      const inputs = { model: untraced, gradients: fakeGradients(small), space, texts, seed: 0, storage, journal };
      expect(await gradientProfileStep({ ...inputs, callbacks }, losses)).toEqual(whole);
      expect(warnings).toEqual([expect.stringMatching(/^cannot keep gradients in memory: ENOSPC: .* starts again if/)]);
      expect(await storage.list()).toEqual(["profile.jsonl"]);
    },
  );

  test.each(["gradient", "errors", "half", "exact"])("a damaged line of kind %s is measured again", async (kind) => {
    const storage = memoryStorage();
    const losses = lossesOf(small, () => 1.2);
    const whole = await profiled(storage, fakeGradients(small), losses);
    const lines = (await storage.read("profile.jsonl"))!;
    await storage.write("profile.jsonl", lines.replace(`"kind":"${kind}"`, `"kind": "${kind}"`));
    const warnings: string[] = [];
    const warn = (message: string): void => void warnings.push(message);
    const journal = await opened(storage, warn);
    expect(warnings).toEqual([expect.stringContaining("removed 1 damaged line")]);
    const trace: TunableModel["trace"] = async (_, visit) => {
      for (let layer = 0; layer < LAYERS; layer++) await visit(layer, TRACE);
    };
    const model = kind === "errors" ? { trace } : untraced;
    const callbacks = { progress: () => undefined, warn: failed };
    const inputs = { model, gradients: fakeGradients(small), space, texts, seed: 0, storage, journal, callbacks };
    expect(await gradientProfileStep(inputs, losses)).toEqual(whole);
    const sorted = (text: string): string[] => text.split("\n").toSorted();
    expect(sorted((await storage.read("profile.jsonl"))!)).toEqual(sorted(lines));
  });

  test("measures halves of large error that good plans use, and no others, once", async () => {
    // Keys of layer 0 look harmless at a large error; at 2 bits the values of layer 1 are hopeless at any rate.
    const errors: OutputErrors = (layer, tensor, bits) => {
      if (layer === 0 && tensor === "key" && bits === 2) return 0.5;
      if (layer === 1 && tensor === "value" && bits === 2) return 3;
      return small(layer, tensor, bits);
    };
    const measured: string[] = [];
    const factor = (layer: number): number => (measured.at(-1) === "0 K2V16" && layer === 0 ? 4 : 1);
    const storage = memoryStorage();
    const profile = await profiled(storage, fakeGradients(errors), lossesOf(errors, factor, measured));
    expect(measured.length).toBeLessThanOrEqual(9);
    expect(measured).toContain("0 K2V16");
    expect(measured).not.toContain("1 K16V2");
    const half = profile.layers[0]!.halves!.find(({ id }) => id.includes("K2V16"))!;
    expectNear(half.kl, 4 * HALF_SQUARE * 0.25);
    expectNear(half.estimate, HALF_SQUARE * 0.25);
    const candidate = profile.layers[0]!.candidates.find(({ id }) => id.includes("K2V8"))!;
    expectNear(candidate.estimate, 4 * HALF_SQUARE * 0.25 + HALF_SQUARE * small(0, "value", 8) ** 2);
    expect(await profiled(storage, fakeGradients(errors), noLosses)).toEqual(profile);
  });

  test.each([
    ["one factor", () => 20, EXACT_LOSS],
    ["the loss of 16 bits in all layers, which is that of many cases", () => 1, 1e-4],
  ])("estimates that are off by %s are trusted", async (_, factor, exact) => {
    const measured: string[] = [];
    await profiled(memoryStorage(), fakeGradients(small), lossesOf(small, factor, measured, exact));
    expect(measured.length).toBeLessThanOrEqual(8);
  });

  test("where rounding of 16 bits is as much as the loss of many cases, others replace them and estimates are trusted", async () => {
    const exact = 1e-4;
    const measured: string[] = [];
    const rounded: PlanLosses = (plans, onLoss) =>
      lossesOf(
        small,
        () => 1,
        measured,
        exact,
      )(plans, (index, { kl, klStandardError }) =>
        onLoss(index, { kl: kl === exact ? kl : kl + (index % 2 === 0 ? -0.9 : 0.9) * exact, klStandardError }),
      );
    await profiled(memoryStorage(), fakeGradients(small), rounded);
    const estimates = measured.map((name) => {
      const [layer, key, value] = name.match(/\d+/g)!.map(Number);
      return HALF_SQUARE * (small(layer!, "key", key!) ** 2 + small(layer!, "value", value!) ** 2);
    });
    expect(estimates.some((estimate) => estimate < 10 * exact)).toBe(true);
    expect(estimates.filter((estimate) => estimate >= 10 * exact).length).toBeGreaterThanOrEqual(4);
    expect(new Set(measured).size).toBe(measured.length);
  });

  test("says when checked estimates are off by different factors, and measures all that good plans use", async () => {
    const measured: string[] = [];
    const warnings: string[] = [];
    const warn = (message: string): unknown => warnings.push(message);
    const factor = (layer: number): number => [0.5, 1, 20][layer]!;
    const profile = await profiled(memoryStorage(), fakeGradients(small), lossesOf(small, factor, measured), { warn });
    expect(warnings).toEqual([expect.stringMatching(/do not rank this model's layers .* rank correlation of 0/)]);
    expect(new Set(measured).size).toBe(measured.length);
    expect(measured.length).toBeGreaterThan(8);
    for (const { layer, halves } of profile.layers)
      for (const { kl, estimate } of halves!) if (kl !== undefined) expectNear(kl, factor(layer) * estimate);
  });

  test.each([
    ["are checked", small],
    ["are not trusted", small],
    ["include large errors", (layer, tensor, bits) => (bits === 2 ? 0.5 + 0.05 * layer : small(layer, tensor, bits))],
  ] as const satisfies readonly (readonly [string, OutputErrors])[])(
    "a run killed anywhere while estimates that %s resumes as if it had not been",
    async (name, errors) => {
      const factor = (layer: number): number => (name === "are not trusted" ? [0.5, 1, 20][layer]! : 1);
      const measured: string[] = [];
      const run = async (storage: StudyStorage): Promise<unknown> =>
        profiled(storage, fakeGradients(errors), lossesOf(errors, factor, measured), { warn: () => undefined });
      const whole = memoryStorage();
      const profile = await run(whole);
      const lines = (await whole.read("profile.jsonl"))!.split(/(?<=\n)/);
      const halves = measured.length;
      for (const kept of lines.keys()) {
        const storage = memoryStorage(new Map([["profile.jsonl", lines.slice(0, kept).join("")]]));
        expect(await run(storage)).toEqual(profile);
        expect((await opened(storage)).entries.filter(({ kind }) => kind === "half")).toHaveLength(halves);
      }
      const lost = lines.filter((line) => !line.includes('"exact"'));
      expect(lost).toHaveLength(lines.length - 1);
      expect(await run(memoryStorage(new Map([["profile.jsonl", lost.join("")]])))).toEqual(profile);
    },
  );

  test("progress rises by one to the total and names layers by their numbers in the model, in any order of losses", async () => {
    const backwards: PlanLosses = async (plans, onLoss) =>
      lossesOf(small, () => 1)(plans.toReversed(), (index, loss) => onLoss(plans.length - 1 - index, loss));
    const reports: Progress[] = [];
    await profiled(memoryStorage(), fakeGradients(small), backwards, {
      progress: (progress) => void reports.push(progress),
    });
    const measured = reports.filter(({ step }) => step === "measure");
    expect(measured.length).toBeGreaterThan(1);
    expect(measured).toMatchObject(measured.map((_, index) => ({ done: index + 1, total: measured.length })));
    const named = reports.flatMap(({ note = "" }) => /layer (\d+)/.exec(note)?.[1] ?? []);
    expect(new Set(named)).toEqual(new Set(["1", "3", "4"]));
  });

  test("an estimate that is not finite is an error, and nothing is kept that led to it", async () => {
    const broken: OutputErrors = (layer, tensor, bits) =>
      layer === 1 && bits === 2 ? Number.NaN : small(layer, tensor, bits);
    const storage = memoryStorage();
    await expect(profiled(storage, fakeGradients(broken), noLosses)).rejects.toMatchObject({
      code: "PROFILE_NOT_FINITE",
      message: expect.stringContaining("layer 3"),
    });
    expect(await storage.list()).toEqual(["profile.jsonl"]);
  });
});
