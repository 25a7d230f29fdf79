import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { tinyModel } from "../../../packages/decoder/src/gguf/test-support/tiny-model.ts";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const { folder, model } = cli;
const hostile = join(folder, "hostile.gguf");
const other = join(folder, "other-weights.gguf");

const SIZES = { layers: 3, hiddenSize: 64, heads: 2, kvHeads: 1, headSize: 32, feedForward: 96, vocabulary: 260 };

/** Clears the screen; as long as the name that the model has otherwise. */
const CLEAR = "\u001B[2J";

/** What a terminal would act on, or show elsewhere than it stands. */
const ACTIVE = /(?![\n\t])[\p{Cc}\u202A-\u202E\u2066-\u2069]/u;

const kvtuner = async (...argv: string[]): Promise<Finished> => cli.start(argv).finished;

beforeAll(() => {
  const chatTemplate = `{{ raise_exception('first${CLEAR} line\\nerror [FAKE]: second') }}`;
  const bytes = Buffer.from(tinyModel({ architecture: "llama", ...SIZES, seed: 7, tied: true, chatTemplate }));
  bytes.write(CLEAR, bytes.indexOf("Tiny"), "latin1");
  writeFileSync(hostile, bytes);
  writeFileSync(other, tinyModel({ architecture: "llama", ...SIZES, seed: 8, tied: true }));
});

describe("a terminal never sees control characters", () => {
  test("of a model's name, in results, errors and progress", async () => {
    const shown = await kvtuner("inspect", hostile);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain("\\u001b[2J (llama): 3 layers");
    const json = await kvtuner("inspect", hostile, "--json");
    expect(JSON.parse(json.stdout)).toMatchObject({ model: { name: CLEAR } });
    const bench = await kvtuner(..."bench --plan none --context 8 --rounds 1 --tokens 1".split(" "), hostile);
    expect(bench.stdout).toContain("\\u001b[2J, backend cpu");
    for (const { stdout, stderr } of [shown, json, bench]) expect(stdout + stderr).not.toMatch(ACTIVE);
  });

  test("of a plan's name", async () => {
    const missing = await kvtuner("run", model, "--prompt", "a", "--plan", `./${CLEAR}\u009B31m\u202E.json`);
    expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining("\\u001b[2J\\u009b31m\\u202e.json") });
    expect(missing.stderr).not.toMatch(ACTIVE);
  });

  test("of what a chat template says, which is one line", async () => {
    const { stderr } = await cli.start(["run", hostile, "--chat", "--plan", "none", "--quiet"], "hello\n").finished;
    expect(stderr).toMatch(/^error \[TOKENIZER_CHAT_TEMPLATE\]: .*first\\u001b\[2J line error \[FAKE\]: second.*$/m);
    expect(stderr).not.toMatch(/^error \[FAKE\]/m);
    expect(stderr).not.toMatch(ACTIVE);
  });

  test("of generated text, unless --raw asks for them", async () => {
    const drawn = ["run", model, "--plan", "none", "--prompt", "the", "--max-tokens", "120", "--temperature", "9"];
    const { text } = JSON.parse((await kvtuner(...drawn, "--json", "--quiet")).stdout) as { text: string };
    expect(text).toMatch(ACTIVE);
    const { stdout } = await kvtuner(...drawn, "--quiet");
    expect(stdout).not.toMatch(ACTIVE);
    expect(stdout).toMatch(/\\u00[0-9a-f]{2}/);
    expect((await kvtuner(...drawn, "--quiet", "--raw")).stdout).toBe(`${text}\n`);
  });
});

describe("a plan file", () => {
  test("may begin with a byte order mark", async () => {
    const plan = join(folder, "bom.json");
    const { stdout } = await kvtuner("inspect", await tuned("bom"), "--json");
    writeFileSync(plan, `\uFEFF${JSON.stringify(JSON.parse(stdout).plan)}`);
    expect(await kvtuner("run", model, "--plan", plan, "--prompt", "a", "--max-tokens", "1")).toMatchObject({
      code: 0,
    });
    writeFileSync(plan, "{\n  },\n},");
    const { code, stderr } = await kvtuner("run", model, "--plan", plan, "--prompt", "a");
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/^error \[PLAN_NOT_JSON\]: .*\n$/) });
  });

  test("of other weights of the same shape is used with --any-weights, and a warning", async () => {
    const plan = await tuned("weights");
    for (const command of [
      ["run", other, "--plan", plan, "--prompt", "a", "--max-tokens", "1", "--quiet"],
      ["eval", other, "--plan", plan, ...TEXT, "--quiet"],
      ["bench", other, "--plan", plan, "--context", "8", "--rounds", "1", "--tokens", "1", "--quiet"],
    ]) {
      expect(await kvtuner(...command)).toMatchObject({
        code: 2,
        stdout: "",
        stderr: expect.stringMatching(/^error \[PLAN_FOR_ANOTHER_MODEL\]: .*--any-weights\n$/),
      });
      const { code, stderr } = await kvtuner(...command, "--any-weights");
      expect({ code, stderr }).toEqual({
        code: 0,
        stderr: expect.stringMatching(/^warning: the plan was tuned for other weights.*\n$/),
      });
    }
  });
});

describe("signals and pipes", () => {
  test("SIGTERM ends a tuning with one line and 143; it resumes afterwards", async () => {
    const out = join(folder, "terminated");
    const argv = ["tune", model, "--out", out, ...TUNE, "--evaluations", "12", "--quiet"];
    const running = cli.start(argv);
    while (running.process.exitCode === null && lineCount(out) < 3) await sleep(1);
    running.process.kill("SIGTERM");
    expect(await running.finished).toMatchObject({
      code: 143,
      stdout: "",
      stderr: "terminated; measurements so far are saved\n",
    });
    expect(await kvtuner(...argv)).toMatchObject({ code: 0 });
  });

  test("SIGTERM ends a conversation, and a prompt that never comes", async () => {
    for (const argv of [["--chat"], []]) {
      const running = cli.startOpen(["run", model, "--plan", "none", "--quiet", ...argv]);
      await sleep(argv.length === 0 ? 1500 : 3000);
      running.process.kill("SIGTERM");
      expect(await running.finished).toMatchObject({ code: 143, stderr: "terminated\n" });
    }
  });

  test("`2>&1 | head` does not end the work", () => {
    const out = join(folder, "piped");
    const line = `"$0" "$@" 2>&1 | head -n 1; exit "\${PIPESTATUS[0]}"`;
    const argv = ["-c", line, process.execPath, cli.script(), "tune", model, "--out", out, ...TUNE];
    const { status, stdout } = spawnSync("bash", argv, {
      encoding: "utf8",
      env: { ...process.env, KVTUNER_HOME: folder },
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringMatching(/^[^\n]+\n$/) });
    expect(existsSync(join(out, "plan.json"))).toBe(true);
  });
});

const TEXT = ["--text", join(folder, "text.txt"), "--samples", "1", "--sample-length", "32"];
const TUNE = [...TEXT, "--mode", "per-token", "--pairs", "K8V8,K4V4,K2V2", "--evaluations", "3", "--context", "256"];

beforeAll(() => writeFileSync(join(folder, "text.txt"), "The quick brown fox jumps over the lazy dog. ".repeat(50)));

/** The plan of a small study. */
const tuned = async (name: string): Promise<string> => {
  const out = join(folder, name);
  expect(await kvtuner("tune", model, "--out", out, ...TUNE, "--quiet")).toMatchObject({ code: 0 });
  return join(out, "plan.json");
};

const lineCount = (out: string): number =>
  ["profile.jsonl", "journal.jsonl"]
    .map((name) => join(out, name))
    .filter((path) => existsSync(path))
    .reduce((count, path) => count + readFileSync(path, "utf8").split("\n").length - 1, 0);
