import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Asset, LayerScheme, Plan } from "@kvtuner/plan";
import { parsePlan } from "@kvtuner/plan/files";
import { describe, expect, test } from "vitest";
import { writeTinyModel } from "../test/tiny-model.ts";
import { inspect } from "./inspect.ts";
import type { TuneOptions } from "./options.ts";
import { report } from "./report.ts";
import { fakeModel, type FakeModel } from "./test-support/fake-model.ts";
import { tune, type TuneResult } from "./tune.ts";

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), "kvtuner-codecs-")), "study");

/** Settings with tables (of skvq and oscar, from traces alone) and without, and pairs of a mode that mix with none of them. */
const OPTIONS = {
  codecs: ["per-token", "skvq:K2V2 reordered", "oscar", "fp8:fp8 calibrated"],
  for: "cpu-reference",
  pairs: ["K8V8", "K4V2"],
  evaluations: 10,
  samples: 1,
  sampleLength: 64,
} as const;

const read = (out: string): Plan =>
  parsePlan(readFileSync(join(out, "plan.json"), "utf8"), (file) => {
    const bytes = readFileSync(join(out, file));
    return { bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
  });

const withoutTimes = ({ timeMs: _, out: __, ...result }: TuneResult): Omit<TuneResult, "timeMs" | "out"> => result;

/** Tables that schemes name. */
const namedBy = (layers: readonly LayerScheme[]): Set<string> => {
  const schemes = layers.flatMap(({ key, value }) => [key, value]);
  return new Set(
    schemes.flatMap((scheme) => Object.values(scheme).map(String)).filter((name) => /\/layers\./.test(name)),
  );
};

interface Evaluates {
  evaluate(plans: readonly (readonly LayerScheme[])[], options?: { readonly assets?: readonly Asset[] }): unknown;
}

/** The evaluator, which throws where a plan lacks a table. */
const strict = <Own extends Evaluates>(evaluator: Own): Own => ({
  ...evaluator,
  evaluate: async (plans: readonly (readonly LayerScheme[])[], options?: { readonly assets?: readonly Asset[] }) => {
    const given = new Set((options?.assets ?? []).map(({ name }) => name));
    for (const name of plans.flatMap((layers) => [...namedBy(layers)]))
      if (!given.has(name)) throw new Error(`no table ${name}`);
    return evaluator.evaluate(plans, options);
  },
});

/** A fake model that counts how often it was traced, and needs the tables of plans. */
const counted = (afterScore?: (scored: number) => void): FakeModel & { readonly traced: () => number } => {
  const model = fakeModel(afterScore);
  let traced = 0;
  return {
    ...model,
    traced: () => traced,
    evaluator: async (samples) => strict(await model.evaluator(samples)),
    tasks: {
      ...model.tasks!,
      evaluator: async (...given) => strict(await model.tasks!.evaluator(...given)),
    },
    trace: async (...given) => {
      traced++;
      await model.trace(...given);
    },
  };
};

let done: Promise<{ readonly out: string; readonly result: TuneResult; readonly traced: number }> | undefined;

const doneStudy = (): NonNullable<typeof done> =>
  (done ??= (async () => {
    const out = newFolder();
    const model = counted();
    return { out, result: await tune({ model, out, ...OPTIONS }), traced: model.traced() };
  })());

describe("tune over settings of methods", () => {
  test("writes the tables that the picked plan names and no others, whatever plan is picked", async () => {
    const out = newFolder();
    cpSync((await doneStudy()).out, out, { recursive: true });
    const counts: number[] = [];
    for (const bits of [3.2, 16]) {
      await tune({ model: fakeModel(), out, ...OPTIONS, limit: { kind: "bits", bits } });
      const { layers, assets = [] } = read(out);
      expect(new Set(assets.map(({ name }) => name))).toEqual(namedBy(layers));
      expect(existsSync(join(out, "plan.safetensors"))).toBe(assets.length > 0);
      counts.push(assets.length);
    }
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts[1]).toBe(0);
  });

  test("stopped anywhere and run again, gives the plans of an uninterrupted run and calibrates nothing twice", async () => {
    const { result, traced: expected } = await doneStudy();
    const out = newFolder();
    let traced = 0;
    for (const stop of [1, 30, 3]) {
      const model = counted((count) => {
        if (count === stop) throw new Error("killed");
      });
      await expect(tune({ model, out, ...OPTIONS })).rejects.toThrow("killed");
      traced += model.traced();
    }
    const last = counted();
    expect(withoutTimes(await tune({ model: last, out, ...OPTIONS }))).toEqual(withoutTimes(result));
    expect(traced + last.traced()).toBe(expected);
    expect(expected).toBe(3);
    expect(result.passes.fitting).toBe(3);
  });

  test("tables that are lost are calibrated again; those of another study are an error", async () => {
    const { out: first, result } = await doneStudy();
    const out = newFolder();
    cpSync(first, out, { recursive: true });
    const tables = readdirSync(out).filter((name) => name.startsWith("calibrated-skvq"));
    expect(tables).toHaveLength(2);
    for (const name of tables) rmSync(join(out, name));
    const model = counted();
    const passes = { ...result.passes, fitting: result.passes.fitting + 1 };
    expect(withoutTimes(await tune({ model, out, ...OPTIONS }))).toEqual({ ...withoutTimes(result), passes });
    expect([model.traced(), model.scored()]).toEqual([1, 0]);
    const other = fakeModel(undefined, { layers: 5, queryHeads: 4, kvHeads: 2, headSize: 32 });
    const shifted: FakeModel = {
      ...other,
      trace: (sample, visit) =>
        other.trace(sample, (layer, own) => visit(layer, { ...own, key: own.key.toReversed() })),
    };
    for (const name of tables) rmSync(join(out, name));
    const changed = tune({ model: shifted, out, ...OPTIONS });
    await expect(changed).rejects.toMatchObject({ code: "STUDY_TABLES", message: expect.stringContaining("skvq") });
  });

  test("profiles and scores plans on other samples than tables are fitted to", async () => {
    const [fake, out, text] = [fakeModel(), newFolder(), join(newFolder(), "..", "text.txt")];
    const letters = Array.from({ length: 4 * 64 }, (_, index) => String.fromCodePoint(97 + ((index * index) % 26)));
    writeFileSync(text, letters.join(""));
    const [scored, fitted] = [new Set<string>(), new Set<string>()];
    const model: FakeModel = {
      ...fake,
      evaluator: async (samples) => {
        for (const sample of samples) scored.add(sample.join());
        return fake.evaluator(samples);
      },
      trace: async (sample, visit) => {
        fitted.add(sample.join());
        await fake.trace(sample, visit);
      },
    };
    const options = { ...OPTIONS, codecs: ["skvq:K2V2 reordered"], samples: 2, text };
    await tune({ model, out, ...options });
    expect([scored.size, fitted.size, new Set([...scored, ...fitted]).size]).toEqual([2, 2, 4]);
    writeFileSync(text, letters.slice(1).join(""));
    await expect(tune({ model, out: newFolder(), ...options })).rejects.toMatchObject({
      code: "EVALUATION_TEXT_TOO_SHORT",
      message: expect.stringMatching(/4 samples.*tables are fitted to 2 samples/) as unknown,
    });
  });

  test("its report and its summary name settings and bits", async () => {
    const { out, result } = await doneStudy();
    expect(await inspect({ target: out })).toMatchObject({ kind: "study", front: result.front });
    const page = readFileSync((await report({ study: out })).page, "utf8");
    for (const text of ["skvq:K2V2 reordered", "oscar:INT2", "K8V8", "for backend cpu-reference"])
      expect(page).toContain(text);
    expect(page).not.toContain("NaN");
  });

  test("with a task, calibrates on its prompts and evaluates answers with the tables", async () => {
    const [task, out] = [join(newFolder(), "..", "task.jsonl"), newFolder()];
    const prompts = Array.from({ length: 30 }, (_, index) => ({
      prompt: `what is ${index} and so on?`,
      answer: `${index}`,
    }));
    writeFileSync(task, prompts.map((prompt) => JSON.stringify({ ...prompt, compare: "exact" })).join("\n"));
    const { sampleLength: _, ...options } = OPTIONS;
    const model = counted();
    const { picked } = await tune({ model, out, ...options, task, limit: { kind: "bits", bits: 3.2 } });
    expect(picked.task?.isComplete).toBe(true);
    expect(new Set(read(out).assets?.map(({ name }) => name))).toEqual(namedBy(read(out).layers));
    expect(model.answered()).toBeGreaterThan(0);
  });

  test("tables from gradients are estimated, searched and run by a backend", async () => {
    const [model, text] = [join(newFolder(), "..", "tiny.gguf"), join(newFolder(), "..", "text.txt")];
    writeTinyModel(model, {}, 16);
    const letters = Array.from({ length: 800 }, (_, index) => String.fromCodePoint(97 + ((index * index) % 26)));
    writeFileSync(text, letters.join(""));
    const out = newFolder();
    const options = { codecs: ["transform:channels 3", "compact"], pairs: ["K4V4", "K2V2"], evaluations: 1 };
    const sizes = { samples: 2, sampleLength: 170, measure: "gradient" } as const;
    const limit = { kind: "bits", bits: 3.2 } as const;
    const verify = { verify: true, backend: "cpu" };
    const { picked, verified } = await tune({ model, out, text, ...options, ...sizes, ...verify, limit });
    expect(verified).toMatchObject({ backend: "cpu", agrees: true });
    expect(picked.choices.join()).toContain("transform:channels 3");
    expect(read(out).assets?.length).toBeGreaterThan(0);
  });

  test.each([
    ["an unknown name", { codecs: ["transfrom"] }, /--codecs .*transform.*"transfrom"/],
    ["an unknown setting", { codecs: ["skvq:K9V9"] }, /--codecs .*setting of skvq \(K2V2.*"skvq:K9V9"/],
    [
      "part of a word",
      { codecs: ["transform:chan"] },
      /--codecs .*setting of transform \(channels 2,.*"transform:chan"/,
    ],
    [
      "settings that the backend cannot store, by their first words",
      { codecs: ["compact", "transformers:quanto"], for: "cpu" },
      /--codecs .*backend cpu can store, got transformers:quanto; use --for cpu-reference/,
    ],
    ["no name", { codecs: [] }, /--codecs .*at least one/],
    ["an unknown backend", { for: "abacus" }, /--for .*cpu-reference.*"abacus"/],
    [
      "a method that the backend cannot store",
      { codecs: ["compact", "kvquant"], for: "cpu" },
      /--codecs .*backend cpu can store, got kvquant; use --for cpu-reference/,
    ],
    [
      "a pair that the backend cannot store",
      { codecs: ["compact"], pairs: ["K8V8", "K1V1"], for: "cuda" },
      /--pairs .*backend cuda can store, got compact:K1V16; use --for cpu/,
    ],
  ] satisfies [string, Partial<TuneOptions>, RegExp][])(
    "%s is an error before anything is measured",
    async (_, options, words) => {
      const [model, out] = [counted(), newFolder()];
      const run = tune({ model, out, ...OPTIONS, ...options });
      await expect(run).rejects.toMatchObject({ code: "OPTION_INVALID", message: expect.stringMatching(words) });
      expect([model.scored(), model.traced(), existsSync(out)]).toEqual([0, 0, false]);
    },
  );

  test("too little text for tables is an error that names the setting", async () => {
    const model = join(newFolder(), "..", "tiny.gguf");
    writeTinyModel(model, {}, 16);
    const [text, out] = [join(newFolder(), "..", "text.txt"), newFolder()];
    writeFileSync(text, "some text of letters ".repeat(40));
    const codecs = ["transform:channels", "compact"];
    await expect(tune({ model, out, text, codecs, samples: 1, sampleLength: 64 })).rejects.toMatchObject({
      code: "CALIBRATION_TEXT_TOO_SHORT",
      message: expect.stringMatching(/^transform:channels 2: expected .* 256 tokens or more/) as unknown,
    });
  });

  test("a limit that no plan meets is known once tables are, and another one then goes on from there", async () => {
    const [model, out] = [counted(), newFolder()];
    const small = tune({ model, out, ...OPTIONS, limit: { kind: "bits", bits: 1 } });
    await expect(small).rejects.toMatchObject({ code: "BUDGET_TOO_SMALL" });
    expect(model.scored()).toBe(0);
    const calibrated = model.traced();
    const { picked } = await tune({ model, out, ...OPTIONS, limit: { kind: "bits", bits: 6 } });
    expect(picked.bits).toBeLessThanOrEqual(6);
    expect(model.traced()).toBe(calibrated);
  });

  test("settings that the backend cannot store are left out, and those that it can are searched", async () => {
    const out = newFolder();
    const options = { ...OPTIONS, codecs: ["all"], for: "cpu", pairs: ["K8V8"], evaluations: 1 };
    const model = fakeModel(undefined, { layers: 1, queryHeads: 4, kvHeads: 2, headSize: 32 });
    await tune({ model, out, ...options });
    const { settings } = JSON.parse(readFileSync(join(out, "codecs.json"), "utf8")) as { settings: { name: string }[] };
    const names = settings.map(({ name }) => name);
    expect(names).toContain("vllm-int:int8_per_token_head");
    expect(names.filter((name) => /^(?:kvquant|llama-cpp|mlx|compact):/.test(name))).toEqual([]);
  });
});
