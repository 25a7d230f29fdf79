import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildCli, start, type Finished } from "./built-cli.ts";
import { writeTinyModel } from "./tiny-model.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-cli-"));
const model = join(folder, "tiny.gguf");
const text = join(folder, "text.txt");
let script = "";

const kvtuner = async (argv: readonly string[], input = ""): Promise<Finished> =>
  start(script, argv, { KVTUNER_HOME: folder }, input).finished;

const SMALL = ["--text", text, "--samples", "2", "--sample-length", "32", "--context", "256"];
const TUNE = [...SMALL, "--mode", "per-token", "--pairs", "K8V8,K4V4,K2V2", "--evaluations", "6"];

const expectError = (finished: Finished, code: string, ...words: string[]): void => {
  expect(finished).toMatchObject({ code: 2, stdout: "" });
  expect(finished.stderr).toMatch(new RegExp(`^error \\[${code}\\]: `, "m"));
  for (const word of words) expect(finished.stderr).toContain(word);
};

beforeAll(async () => {
  script = await buildCli();
  writeTinyModel(model);
  writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(200));
}, 120_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  if (script !== "") rmSync(dirname(script), { recursive: true, force: true });
});

describe("kvtuner tune", () => {
  test("prints one JSON document, and the study can be inspected and its plan evaluated", async () => {
    const out = join(folder, "study");
    const tuned = await kvtuner(["tune", model, "--out", out, ...TUNE, "--json"]);
    expect(tuned.stderr).toContain("profiling layers");
    expect(tuned.code).toBe(0);
    const { front, picked, evaluations, hypervolume, timeMs } = JSON.parse(tuned.stdout);
    expect(evaluations).toBe(6);
    expect(hypervolume).toBeGreaterThan(0);
    expect(timeMs).toMatchObject({
      profile: expect.any(Number),
      search: expect.any(Number),
      total: expect.any(Number),
    });
    expect(front).toContainEqual(picked);

    const inspected = await kvtuner(["inspect", out, "--json"]);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ kind: "study", front, hypervolume });
    const shown = await kvtuner(["inspect", join(out, "plan.json")]);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/^K \d/m) });

    // The same text, samples and plan: the same figures, digit for digit.
    const evaluated = await kvtuner(["eval", model, "--plan", join(out, "plan.json"), ...SMALL, "--json", "--quiet"]);
    expect(evaluated).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(evaluated.stdout)).toMatchObject({
      kl: picked.kl,
      bits: picked.bits,
      bytes: picked.bytes,
      tokens: 64,
    });
  });

  test("--verify runs the picked plan on the kernels, also of a study that is done", async () => {
    const argv = ["tune", model, "--out", join(folder, "run-plan"), ...TUNE];
    const tuned = await kvtuner([...argv, "--verify", "--json", "--quiet"]);
    expect(tuned).toMatchObject({ code: 0, stderr: "" });
    const { picked, verified } = JSON.parse(tuned.stdout);
    expect(verified).toMatchObject({ backend: "cpu", evaluatedKl: picked.kl, agrees: true, tokens: 64 });
    expect(verified.kl).not.toBe(picked.kl);
    const again = await kvtuner([...argv, "--verify", "--backend", "cpu-reference"]);
    expect(again.stdout).toMatch(/^verified: KL .* on cpu-reference, token by token over 64 tokens/m);
    expect(JSON.parse((await kvtuner([...argv, "--json", "--quiet"])).stdout)).not.toHaveProperty("verified");
  });

  test("without a text it writes its own, with a seed", async () => {
    const runs = ["own-a", "own-b", "own-c"].map(async (name, index) => {
      const argv = [
        "--samples",
        "2",
        "--sample-length",
        "40",
        "--pairs",
        "K8V8,K2V2",
        "--evaluations",
        "3",
        "--quiet",
        "--mode",
        "per-token",
      ];
      const home = { KVTUNER_HOME: join(folder, name) };
      const seed = ["--seed", String(Math.floor(index / 2))];
      const finished = await start(script, ["tune", model, "--out", join(folder, name, "out"), ...argv, ...seed], home)
        .finished;
      expect(finished).toMatchObject({ code: 0, stderr: "" });
      return readFileSync(join(folder, name, "out", "calibration.json"), "utf8");
    });
    const [one, same, other] = await Promise.all(runs);
    expect(same).toBe(one);
    expect(other).not.toBe(one);
    const { samples } = JSON.parse(one ?? "") as { samples: number[][] };
    expect(samples.map((window) => window.length)).toEqual([40, 40]);
    expect(new Set(samples.flat()).size).toBeGreaterThan(10);
  });

  test("SIGINT ends it with 130; the study goes on afterwards", async () => {
    const out = join(folder, "interrupted");
    const { process: child, finished } = start(script, ["tune", model, "--out", out, ...TUNE], {
      KVTUNER_HOME: folder,
    });
    while (child.exitCode === null && lineCount(out) < 3) await sleep(1);
    child.kill("SIGINT");
    const kept = expect.stringContaining("interrupted; measurements so far are saved\n") as unknown;
    expect(await finished).toMatchObject({ code: 130, stdout: "", stderr: kept });
    expect(readdirSync(out)).not.toContain("lock");
    expect(await kvtuner(["tune", model, "--out", out, ...TUNE, "--quiet"])).toMatchObject({ code: 0 });
  });

  test("two runs on one folder at once: one is refused", async () => {
    const out = join(folder, "busy");
    const runs = await Promise.all(
      [1, 2].map(async () => kvtuner(["tune", model, "--out", out, ...TUNE, "--json", "--quiet"])),
    );
    const refused = runs.find(({ code }) => code !== 0);
    expectError(refused ?? fail(), "STUDY_BUSY");
    expect(runs.filter(({ code }) => code === 0)).toHaveLength(1);
  });

  test("a journal whose last line is half written is repaired with a word", async () => {
    const out = join(folder, "half");
    const first = await kvtuner(["tune", model, "--out", out, ...TUNE, "--json", "--quiet"]);
    const journal = join(out, "journal.jsonl");
    writeFileSync(journal, readFileSync(journal, "utf8").slice(0, -20));
    rmSync(join(out, "front.json"));
    const again = await kvtuner(["tune", model, "--out", out, ...TUNE, "--json", "--quiet"]);
    expect(again.stderr).toMatch(/^warning: journal\.jsonl: dropped a half-written last line \(\d+ bytes\)$/m);
    expect(JSON.parse(again.stdout).front).toEqual(JSON.parse(first.stdout).front);
  });

  test("on a disk that fills up it says so, and the study resumes once space is free", async () => {
    const out = join(folder, "full");
    const argv = ["tune", model, "--out", out, ...TUNE, "--json", "--quiet"];
    const expected = JSON.parse((await kvtuner([...argv, "--out", join(folder, "roomy")])).stdout);
    for (const blocks of [1, 8]) {
      const shell = ["-c", 'ulimit -f "$0" && exec "$@"', String(blocks), process.execPath, script, ...argv];
      const { status: code, stdout, stderr } = spawnSync("sh", shell, { encoding: "utf8" });
      expectError({ code, signal: null, stdout, stderr }, "STUDY_WRITE", out, "EFBIG");
    }
    expect(JSON.parse((await kvtuner(argv)).stdout)).toMatchObject({ front: expected.front, picked: expected.picked });
  });

  test("bad input is refused in one line that says what is wrong, and nothing is lost", async () => {
    const out = join(folder, "bad");
    const notUtf8 = join(folder, "latin1.txt");
    writeFileSync(notUtf8, Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x20]));
    const short = join(folder, "short.txt");
    writeFileSync(short, "Too short.");
    const foreign = join(folder, "foreign");
    mkdirSync(foreign);
    writeFileSync(join(foreign, "holiday.jpg"), "");
    const cut = join(folder, "cut.gguf");
    writeFileSync(cut, readFileSync(model).subarray(0, 300));
    const tune = async (...argv: string[]): Promise<Finished> =>
      kvtuner(["tune", model, "--out", out, ...TUNE, "--json", "--quiet", ...argv]);

    expectError(await tune("--text", notUtf8), "TEXT_NOT_UTF8", "offset 3");
    expectError(await tune("--text", short), "EVALUATION_TEXT_TOO_SHORT");
    expectError(await tune("--budget", "10B"), "BUDGET_TOO_SMALL", "K2V2", "10 B");
    expectError(await tune("--budget", "10MB", "--bits", "4"), "USAGE", "--budget");
    expectError(await tune("--budget", "big"), "USAGE", "40MB");
    expectError(await tune("--pairs", "K9V1"), "PLAN_UNKNOWN_PAIR", "K9V1");
    expectError(await tune("--evaluations", "0"), "OPTION_INVALID", "--evaluations");
    expectError(await tune("--mode", "fp8"), "USAGE", "per-token");
    expectError(await tune("--out", foreign), "STUDY_FOLDER", "holiday.jpg");
    expectError(await tune("--out", join(text, "study")), "STUDY_FOLDER");
    expectError(
      await kvtuner(["tune", "smollm2", "--json"]),
      "MODEL_NOT_FOUND",
      "npm run model -- smollm2",
      join(folder, "models"),
    );
    expectError(await kvtuner(["tune", cut, "--json"]), "[A-Z_]+");
    expect(readdirSync(foreign)).toEqual(["holiday.jpg"]);

    expect(await tune()).toMatchObject({ code: 0 });
    expectError(
      await tune("--seed", "9", "--samples", "1"),
      "STUDY_DIFFERS",
      "seed 0 there, 9 now",
      "samples 2 there, 1 now",
    );
  });
});

describe("kvtuner eval", () => {
  test("the float cache loses nothing", async () => {
    const { stdout } = await kvtuner(["eval", model, "--plan", "none", ...SMALL, "--json"]);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ top1: 1, bits: 16, equivalentBits: 16 });
    expect(result.perplexity / result.basePerplexity).toBeCloseTo(1, 3);
    expect(result.kl).toBeLessThan(1e-6);
  });

  test("--stream answers one line each, in order, and goes on after a bad plan", async () => {
    const plan = readFileSync(join(folder, "study", "plan.json"), "utf8");
    const lines = ["per-token:K8V8", "per-token:K9V9", JSON.stringify(JSON.parse(plan)), "", "per-token:K2V2"];
    const { code, stdout } = await kvtuner(["eval", model, "--stream", ...SMALL, "--quiet"], lines.join("\n"));
    expect(code).toBe(0);
    const [fine, bad, tuned, coarse] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(bad).toEqual({ error: { code: "PLAN_UNKNOWN_PAIR", message: expect.stringContaining("K9V9") } });
    expect(tuned.kl).toBe(JSON.parse(plan).measured.kl);
    expect(coarse.kl).toBeGreaterThan(fine.kl);
  });

  test("a seed that is no whole number is refused; --version prints one line", async () => {
    const argv = ["eval", model, "--plan", "none", "--seed", "1.5", "--json"];
    expectError(await kvtuner(argv), "OPTION_INVALID", "--seed");
    expect(await kvtuner(["--version"])).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  });

  test("warns of samples in which nothing is quantized", async () => {
    const finished = await kvtuner(["eval", model, "--plan", "compact:K2V2", ...SMALL, "--json", "--quiet"]);
    expect(finished).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^warning: keys and values .*--sample-length 164 .*\n$/),
    });
  });

  test("refuses shorthand it does not know, a plan for another model, and no plan", async () => {
    expect.hasAssertions();
    const plan = JSON.parse(readFileSync(join(folder, "study", "plan.json"), "utf8"));
    const other = join(folder, "other.json");
    writeFileSync(
      other,
      JSON.stringify({ ...plan, model: { ...plan.model, architecture: "qwen2", sha256: "0".repeat(64) } }),
    );
    expectError(
      await kvtuner(["eval", model, "--plan", "kivy:K4V4", ...SMALL, "--json"]),
      "PLAN_UNKNOWN_SHORTHAND",
      "kivy:K4V4",
    );
    expectError(await kvtuner(["eval", model, "--plan", other, ...SMALL, "--json"]), "PLAN_[A-Z_]+");
    expectError(await kvtuner(["eval", model, ...SMALL]), "USAGE", "--plan", "--stream");
  });

  test("refuses a list whose last plan is misspelled before the first is scored", async () => {
    const finished = await kvtuner(["eval", model, "--plan", "none,per-token:K2V2,kivy:K4V4", ...SMALL]);
    expectError(finished, "PLAN_UNKNOWN_SHORTHAND", "kivy:K4V4");
    expect(finished.stderr).not.toContain("evaluating");
  });

  test("refuses to sample more text of the model's own than anyone would wait for, as tune does", async () => {
    const out = join(folder, "endless");
    for (const argv of [
      ["eval", model, "--plan", "none"],
      ["tune", model, "--out", out],
    ])
      expectError(await kvtuner([...argv, "--samples", "1000000"]), "OWN_TEXT_TOO_LONG", "1000000 samples", "--text");
    expect(readdirSync(folder)).not.toContain("endless");
  });
});

describe("kvtuner inspect", () => {
  test("a model: its cache, and what fits a budget", async () => {
    const { stdout } = await kvtuner(["inspect", model, "--budget", "100KB", "--context", "256", "--json"]);
    const { kind, shape, bytesPerToken, uniform, difficulty } = JSON.parse(stdout);
    expect(kind).toBe("model");
    expect(difficulty.layers).toHaveLength(shape.layers);
    expect(bytesPerToken).toBe(4 * shape.layers * shape.kvHeads * shape.headSize);
    for (const { fits, bytes } of uniform) expect(fits).toBe(bytes <= 100_000);
  });

  test("a budget that no uniform plan fits is refused with the smallest plan", async () => {
    expect.hasAssertions();
    expectError(await kvtuner(["inspect", model, "--budget", "10B"]), "BUDGET_TOO_SMALL", "K2V2 in every layer");
  });

  test.skipIf(process.platform !== "linux")("a result that cannot be written is one line on stderr, and 1", () => {
    const shell = ["-c", 'exec "$@" > /dev/full', "sh", process.execPath, script, "inspect", model];
    const { status, stderr } = spawnSync("sh", shell, { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error \[OUTPUT\]: .*ENOSPC.*\n$/);
  });

  test("refuses what is none", async () => {
    expect.hasAssertions();
    expectError(await kvtuner(["inspect", join(folder, "nothing"), "--json"]), "TARGET_UNKNOWN", "nothing");
    expectError(await kvtuner(["inspect", folder, "--json"]), "TARGET_UNKNOWN", folder);
    expectError(await kvtuner(["inspect", text]), "PLAN_NOT_JSON", text);
  });
});

const lineCount = (out: string): number => {
  try {
    return readFileSync(join(out, "profile.jsonl"), "utf8").split("\n").length - 1;
  } catch {
    return 0;
  }
};

const fail = (): never => {
  throw new Error("expected one run to be refused");
};
