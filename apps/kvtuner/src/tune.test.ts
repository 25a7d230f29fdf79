import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { parsePlan, parseShorthand } from "@kvtuner/plan";
import { describe, expect, test } from "vitest";
import { STRATEGIES } from "@kvtuner/tuning";

import { inspect } from "./inspect.ts";
import type { TuneOptions } from "./options.ts";
import { fakeModel } from "./test-support/fake-model.ts";
import { tune, type TuneResult } from "./tune.ts";

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), "kvtuner-tune-")), "study");

const OPTIONS = {
  pairs: ["K8V8", "K8V4", "K4V4", "K4V2", "K2V2"],
  evaluations: 20,
  windows: 1,
  windowLength: 64,
  mode: "per-token",
} as const;

const PROFILE_EVALUATIONS = 5 * OPTIONS.pairs.length;

const withoutTimes = ({ timeMs: _, out: __, ...result }: TuneResult): Omit<TuneResult, "timeMs" | "out"> => result;

describe("tune", () => {
  test("writes a study whose front no plan of it beats, and a plan that reads back", async () => {
    const out = newFolder();
    const result = await tune({ model: fakeModel(), out, ...OPTIONS });
    expect(result.evaluations).toBe(20);
    for (const [index, plan] of result.front.entries()) {
      expect(plan.bytes).toBeGreaterThan(result.front[index - 1]?.bytes ?? 0);
      expect(plan.kl).toBeLessThan(result.front[index - 1]?.kl ?? Infinity);
    }
    const plan = parsePlan(readFileSync(join(out, "plan.json"), "utf8"));
    expect(plan.layers.map(({ key, value }) => `K${key.bits}V${value.bits}`)).toEqual(
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

  test.each([
    ["journal.jsonl", /"K8V4"/, '"K9V9"'],
    ["journal.jsonl", '"pairs":[', '"pairs":["K8V8",'],
    ["profile.jsonl", '"layer":0', '"layer":77'],
    ["profile.jsonl", '"pair":"K8V8"', '"pair":"K3V3"'],
    ["profile.jsonl", '"pairs":[', '"pairs":[],"was":['],
  ])("a line of %s that is none of this study's, %s made %s, is an error that names it", async (name, from, to) => {
    const out = newFolder();
    await tune({ model: fakeModel(), out, ...OPTIONS });
    const path = join(out, name);
    const damaged = readFileSync(path, "utf8").replace(from, to);
    writeFileSync(path, damaged);
    rmSync(join(out, "profile.json"));
    await expect(tune({ model: fakeModel(), out, ...OPTIONS })).rejects.toMatchObject({
      code: "STUDY_JOURNAL_DAMAGED",
      message: expect.stringMatching(/line \d+ is none: at (pairs|layer|pair)/),
    });
    expect(readFileSync(path, "utf8")).toBe(damaged);
  });

  test("a study file that does not hold what its step writes is an error that names it", async () => {
    const out = newFolder();
    await tune({ model: fakeModel(), out, ...OPTIONS });
    for (const name of ["settings", "calibration", "profile", "candidates", "groups", "front"]) {
      const path = join(out, `${name}.json`);
      const whole = readFileSync(path, "utf8");
      for (const damaged of ["{}", "null", "[]", whole.slice(0, -9)]) {
        writeFileSync(path, damaged);
        await expect(tune({ model: fakeModel(), out, ...OPTIONS })).rejects.toMatchObject({
          code: name === "settings" ? "STUDY_SETTINGS_UNREADABLE" : "STUDY_FILE_UNREADABLE",
          message: expect.stringContaining(path),
        });
        expect(readFileSync(path, "utf8")).toBe(damaged);
      }
      writeFileSync(path, whole);
    }
    const model = fakeModel();
    await tune({ model, out, ...OPTIONS });
    expect(model.scored()).toBe(0);
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
    expect(warnings).toEqual([expect.stringMatching(/loses KL 0\.00 as cpu-reference runs it/)]);
    const backend = createReferenceBackend();
    const given = await tune({ model: fakeModel(), out: newFolder(), ...options, backend });
    expect(given.verified).toEqual(verified);
    const layers = [parseShorthand("none").layer];
    const shape = { layers: 1, queryHeads: 1, kvHeads: 1, headSize: 32 };
    await expect(backend.createCache(shape, { shape, layers })).resolves.toMatchObject({ length: 0 });
    const unknown = tune({ model: fakeModel(), out: newFolder(), ...options, backend: "abacus" });
    await expect(unknown).rejects.toMatchObject({ code: "OPTION_INVALID" });
  });

  test("a text shorter than a window is an error with both lengths", async () => {
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
