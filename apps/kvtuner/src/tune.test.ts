import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { fc, test as fcTest } from "@fast-check/vitest";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { formatPair, pairOf, parseShorthand, planBytes, trueBits } from "@kvtuner/plan";
import { parsePlan } from "@kvtuner/plan/files";
import { STRATEGIES } from "@kvtuner/tuning";
import { describe, expect, test } from "vitest";
import { inspect } from "./inspect.ts";
import type { TuneOptions } from "./options.ts";
import { report } from "./report.ts";
import { fakeModel } from "./test-support/fake-model.ts";
import { tune, type TuneResult } from "./tune.ts";

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), "kvtuner-tune-")), "study");

const OPTIONS = {
  pairs: ["K8V8", "K8V4", "K4V4", "K4V2", "K2V2"],
  evaluations: 20,
  samples: 1,
  sampleLength: 64,
  measure: "kl",
  mode: "per-token",
} as const;

const PROFILE_EVALUATIONS = 5 * OPTIONS.pairs.length;

const withoutTimes = ({ timeMs: _, out: __, ...result }: TuneResult): Omit<TuneResult, "timeMs" | "out"> => result;

let done: Promise<{ readonly folder: string; readonly result: TuneResult }> | undefined;

/** A study that is done, made once; tests change copies of it. */
const doneStudy = (): NonNullable<typeof done> =>
  (done ??= (async () => {
    const folder = newFolder();
    return { folder, result: await tune({ model: fakeModel(), out: folder, ...OPTIONS }) };
  })());

const sameJson = (one: string, other: string): boolean => {
  try {
    return isDeepStrictEqual(JSON.parse(one), JSON.parse(other));
  } catch {
    return false;
  }
};

describe("tune", () => {
  test.each(["surrogate", "nsga2-groups"] as const)(
    "tunes layers of several sizes by %s, each at its own cost, and shared caches once",
    async (strategy) => {
      const perLayer = [{ kvHeads: 4 }, { headSize: 64 }, {}, { kvHeads: 1, headSize: 128 }, { kvHeads: 1 }];
      const sharing = [{ place: 5, cacheOf: 3, queryHeads: 2 }];
      const shape = { layers: 5, queryHeads: 4, kvHeads: 2, headSize: 32, perLayer, sharing };
      const out = newFolder();
      const limit = { kind: "bits", bits: 4.5 } as const;
      const result = await tune({ model: fakeModel(undefined, shape), out, ...OPTIONS, strategy, limit });
      const { layers } = parsePlan(readFileSync(join(out, "plan.json"), "utf8"));
      expect(result.picked.bytes).toBe(planBytes({ shape, layers }, 4096).total);
      expect(result.picked.bits).toBeLessThanOrEqual(4.5);
      expect(result.picked.bits).toBe(trueBits({ shape, layers }, 4096));
      expect(layers).toHaveLength(5);
      expect(readFileSync(join(out, "report.html"), "utf8")).toContain(
        "5 layers, 4 query heads, 4 or 2 or 1 KV heads, head size 32 or 64 or 128",
      );
    },
  );

  test("writes a study whose front no plan of it beats, and a plan that reads back", async () => {
    const out = newFolder();
    const result = await tune({ model: fakeModel(), out, ...OPTIONS });
    expect(result.evaluations).toBe(20);
    for (const [index, plan] of result.front.entries()) {
      expect(plan.bytes).toBeGreaterThan(result.front[index - 1]?.bytes ?? 0);
      expect(plan.kl).toBeLessThan(result.front[index - 1]?.kl ?? Infinity);
    }
    const plan = parsePlan(readFileSync(join(out, "plan.json"), "utf8"));
    expect(plan.layers.map((layer) => formatPair(pairOf(layer)))).toEqual(
      result.picked.pairs.map((name) => name.replace(/^KV(\d+)$/, "K$1V$1")),
    );
    expect(plan.measured?.kl).toBe(result.picked.kl);
    expect(readdirSync(out).toSorted()).toEqual(
      ["calibration", "candidates", "front", "groups", "plan", "profile", "request", "settings"]
        .map((name) => `${name}.json`)
        .concat("report.html", "journal.jsonl", "profile.jsonl")
        .toSorted(),
    );
    expect(await inspect({ target: out })).toMatchObject({ kind: "study", evaluations: 20, front: result.front });
  });

  test.each(STRATEGIES)(
    "%s, stopped anywhere and run again, gives the front of an uninterrupted run and evaluates nothing twice",
    async (strategy) => {
      const options = { ...OPTIONS, strategy, seed: 3, limit: { kind: "bits", bits: 6 } } as const;
      const whole = fakeModel();
      const expected = withoutTimes(await tune({ model: whole, out: newFolder(), ...options }));
      const out = newFolder();
      let scored = 0;
      for (const stop of [1, 7, 20, 1, 3, 9]) {
        const model = fakeModel((count) => {
          if (count === stop) throw new Error("killed");
        });
        await expect(tune({ model, out, ...options })).rejects.toThrow("killed");
        scored += model.scored();
      }
      const last = fakeModel();
      expect(withoutTimes(await tune({ model: last, out, ...options }))).toEqual(expected);
      expect(scored + last.scored()).toBe(whole.scored());
      expect(whole.scored()).toBe(PROFILE_EVALUATIONS + expected.evaluations);
    },
  );

  test("a study that is done is not done again, and any plan of it may be picked", async () => {
    const out = newFolder();
    const first = await tune({ model: fakeModel(), out, ...OPTIONS });
    const model = fakeModel();
    const again = await tune({ model, out, ...OPTIONS, limit: { kind: "kl", kl: 0.3 } });
    expect(model.scored()).toBe(0);
    expect(again.front).toEqual(first.front);
    expect(again.picked).toEqual(first.front.find(({ kl }) => kl <= 0.3));
    const within = await tune({ model, out, ...OPTIONS, limit: { kind: "bits", bits: 5 } });
    expect(model.scored()).toBeLessThanOrEqual(1);
    expect(within.picked.bits).toBeLessThanOrEqual(5);
    expect(within.front.filter(({ bits, kl }) => bits <= 5 && kl < within.picked.kl)).toEqual([]);
  });

  test.each([
    ["a budget below the smallest plan", { limit: { kind: "bytes", bytes: 1000 } }, "BUDGET_TOO_SMALL", /K2V2|KV2/],
    ["bits below the smallest plan", { limit: { kind: "bits", bits: 1 } }, "BUDGET_TOO_SMALL", /bits/],
    ["a seed of more than 32 bits", { seed: 2 ** 32 }, "OPTION_INVALID", /--seed .*4294967295/],
    ["a backend without verify", { backend: "cpu" }, "OPTION_INVALID", /--backend .*--verify/],
    ["no evaluations", { evaluations: 0 }, "OPTION_INVALID", /--evaluations/],
    ["a text that is not there", { text: "/nowhere/text.txt" }, "TEXT_UNREADABLE", /nowhere/],
    ["an unknown model", { model: "gpt5" }, "MODEL_NOT_FOUND", /smollm2/],
  ] satisfies [string, Partial<TuneOptions>, string, RegExp][])(
    "%s is an error before anything is measured",
    async (_, options, code, words) => {
      const model = fakeModel();
      const out = newFolder();
      const run = tune({ model, out: join(out, "deeper"), ...OPTIONS, ...options });
      await expect(run).rejects.toThrow(expect.objectContaining({ code, message: expect.stringMatching(words) }));
      expect(model.scored()).toBe(0);
      expect(existsSync(out)).toBe(false);
    },
  );

  test("the default folder is checked before a backend is opened", async () => {
    const [before, folder] = [process.cwd(), newFolder()];
    const foreign = join(folder, "studies", "mine-per-token", "notes.txt");
    mkdirSync(dirname(foreign), { recursive: true });
    writeFileSync(foreign, "");
    process.chdir(folder);
    try {
      const model = { ...fakeModel(), identity: { name: "mine", architecture: "llama" } };
      const run = tune({ model, ...OPTIONS, verify: true, backend: "unknown" });
      await expect(run).rejects.toMatchObject({ code: "STUDY_FOLDER" });
    } finally {
      process.chdir(before);
    }
  });

  test("a loss that no plan reaches is an error that keeps the study", async () => {
    const out = newFolder();
    const run = tune({ model: fakeModel(), out, ...OPTIONS, limit: { kind: "kl", kl: 1e-9 } });
    await expect(run).rejects.toThrow(expect.objectContaining({ code: "LIMIT_NOT_MET" }));
    const model = fakeModel();
    await tune({ model, out, ...OPTIONS });
    expect(model.scored()).toBe(0);
  });

  test("within a loss that no plan found keeps to, the largest pair in every layer is tried", async () => {
    const options = { ...OPTIONS, evaluations: 1 };
    const { picked, evaluations } = await tune({
      model: fakeModel(),
      out: newFolder(),
      ...options,
      pairs: ["K4V4", "K8V8", "K2V2"],
      strategy: "nsga2",
      limit: { kind: "kl", kl: 0.001 },
    });
    expect(picked.pairs).toEqual(Array(5).fill("K8V8"));
    expect(evaluations).toBe(2);
  });

  test("a front whose journal is gone is not written over with less: the search is done again, with a warning", async () => {
    const out = newFolder();
    const first = await tune({ model: fakeModel(), out, ...OPTIONS });
    const journal = join(out, "journal.jsonl");
    const whole = readFileSync(journal, "utf8");
    for (const left of ["", whole.slice(0, whole.indexOf("\n") + 1)]) {
      writeFileSync(journal, left);
      const warnings: string[] = [];
      const again = await tune({ model: fakeModel(), out, ...OPTIONS, onWarning: (text) => warnings.push(text) });
      expect(again.front).toEqual(first.front);
      expect(warnings).toEqual([expect.stringMatching(/journal\.jsonl lacks \d+ of the plans/)]);
    }
  });

  const RECORDS = ["calibration", "profile", "candidates", "groups", "front"].map((name) => `${name}.json`);

  fcTest.prop(
    [fc.constantFrom(...RECORDS, "journal.jsonl", "profile.jsonl"), fc.nat(), fc.integer({ min: 0, max: 7 })],
    { numRuns: 24 },
  )("any byte of a study that changes is reported, and what it held is measured again", async (name, position, bit) => {
    const { folder, result } = await doneStudy();
    const out = newFolder();
    cpSync(folder, out, { recursive: true });
    const bytes = readFileSync(join(out, name));
    const before = bytes.toString("utf8");
    bytes[position % bytes.length]! ^= 1 << bit;
    writeFileSync(join(out, name), bytes);
    // A journal is read again when what was made from it is gone.
    if (name === "profile.jsonl") rmSync(join(out, "profile.json"));
    const warnings: string[] = [];
    const again = await tune({ model: fakeModel(), out, ...OPTIONS, onWarning: (text) => warnings.push(text) });
    expect(withoutTimes(again)).toEqual(withoutTimes(result));
    const isSame = name.endsWith(".json") && sameJson(before, bytes.toString("utf8"));
    expect(isSame || warnings.join().includes(name)).toBe(true);
    const unread: string[] = [];
    await tune({ model: fakeModel(), out, ...OPTIONS, onWarning: (text) => unread.push(text) });
    expect(unread).toEqual([]);
  });

  test("a pair that the study does not have is damage too, with a checksum or without", async () => {
    const { folder, result } = await doneStudy();
    const out = newFolder();
    cpSync(folder, out, { recursive: true });
    const journal = join(out, "journal.jsonl");
    writeFileSync(journal, readFileSync(journal, "utf8").replace("per-token:K8V4", "per-token:K9V9"));
    await expect(report({ study: out })).rejects.toMatchObject({ code: "STUDY_JOURNAL_DAMAGED" });
    const model = fakeModel();
    expect(withoutTimes(await tune({ model, out, ...OPTIONS }))).toEqual(withoutTimes(result));
    expect(model.scored()).toBe(1);
  });

  const DAMAGES = (whole: string): string[] => ["{}", "null", "[]", whole.slice(0, -9)];

  test("a damaged step is done again from what was measured", async () => {
    const out = newFolder();
    const result = await tune({ model: fakeModel(), out, ...OPTIONS });
    const model = fakeModel();
    for (const name of RECORDS) {
      const path = join(out, name);
      const whole = readFileSync(path, "utf8");
      for (const damaged of DAMAGES(whole)) {
        writeFileSync(path, damaged);
        expect(withoutTimes(await tune({ model, out, ...OPTIONS }))).toEqual(withoutTimes(result));
        expect(readFileSync(path, "utf8")).toBe(whole);
      }
    }
    expect(model.scored()).toBe(0);
  });

  test("settings that are damaged are an error that names them, and so is a record that cannot be read", async () => {
    const out = newFolder();
    await tune({ model: fakeModel(), out, ...OPTIONS });
    const path = join(out, "settings.json");
    const whole = readFileSync(path, "utf8");
    for (const damaged of DAMAGES(whole)) {
      writeFileSync(path, damaged);
      await expect(tune({ model: fakeModel(), out, ...OPTIONS })).rejects.toMatchObject({
        code: "STUDY_SETTINGS_UNREADABLE",
        message: expect.stringContaining(path),
      });
      expect(readFileSync(path, "utf8")).toBe(damaged);
    }
    writeFileSync(path, whole);
    for (const name of RECORDS) {
      renameSync(join(out, name), join(out, "..", "aside"));
      mkdirSync(join(out, name));
      await expect(tune({ model: fakeModel(), out, ...OPTIONS })).rejects.toMatchObject({
        code: "STUDY_FILE_UNREADABLE",
        message: expect.stringMatching(/EISDIR/),
      });
      rmdirSync(join(out, name));
      renameSync(join(out, "..", "aside"), join(out, name));
    }
  });

  test("a plan whose loss as run is another than evaluated is told, with a warning", async () => {
    const warnings: string[] = [];
    const onWarning = (text: string): void => void warnings.push(text);
    const options = { ...OPTIONS, verify: true, backend: "cpu-reference", onWarning };
    const { verified, picked } = await tune({ model: fakeModel(), out: newFolder(), ...options });
    // The fake model says 0 of whatever runs.
    const difference = picked.kl;
    const asRun = { backend: "cpu-reference", kl: 0, agrees: false, tokens: 64 };
    expect(verified).toEqual({ ...asRun, evaluatedKl: picked.kl, difference });
    expect(warnings).toEqual([expect.stringMatching(/loses KL 0\.00 on cpu-reference/)]);
    const backend = createReferenceBackend();
    const given = await tune({ model: fakeModel(), out: newFolder(), ...options, backend });
    expect(given.verified).toEqual(verified);
    const layers = [parseShorthand("none").layer];
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 32 };
    await expect(backend.createCache(shape, { shape, layers })).resolves.toMatchObject({ length: 0 });
    const unknown = tune({ model: fakeModel(), out: newFolder(), ...options, backend: "abacus" });
    await expect(unknown).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  test("a text shorter than a sample is an error with both lengths", async () => {
    const text = join(mkdtempSync(join(tmpdir(), "kvtuner-text-")), "short.txt");
    writeFileSync(text, "far too short");
    const run = tune({ model: fakeModel(), out: newFolder(), ...OPTIONS, text });
    await expect(run).rejects.toThrow(/64.*13/);
  });

  test("an aborted run rejects with the signal's reason and keeps what was evaluated", async () => {
    const out = newFolder();
    const controller = new AbortController();
    const stopped = fakeModel((count) => {
      if (count === 9) controller.abort(new Error("enough"));
    });
    await expect(tune({ model: stopped, out, ...OPTIONS, signal: controller.signal })).rejects.toThrow("enough");
    const model = fakeModel();
    await tune({ model, out, ...OPTIONS });
    expect(model.scored() + stopped.scored()).toBe(PROFILE_EVALUATIONS + 20);
  });
});
