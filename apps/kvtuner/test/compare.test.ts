import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const out = join(cli.folder, "comparison");
const text = join(cli.folder, "text.txt");
const other = join(cli.folder, "other.txt");

const TEXT = ["--text", text, "--samples", "2", "--sample-length", "64"];

const SMALL = [
  TEXT,
  ["--calibration-text", other, "--calibration-samples", "1", "--calibration-length", "64"],
  ["--methods", "kivi,per-token,fp8,kvtuner", "--bits", "4,5", "--context", "256"],
].flat();

const compare = (...argv: string[]): Promise<Finished> => cli.start(["compare", cli.model, ...SMALL, ...argv]).finished;

beforeAll(() => {
  writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(60));
  writeFileSync(other, "Pack my box with five dozen liquor jugs, then rest. ".repeat(60));
});

interface Row {
  readonly method: string;
  readonly label: string;
  readonly levels: readonly number[];
  readonly bits: number;
  readonly kl: number;
  readonly decodeTime?: number;
}

/** Rows and perplexities without what differs between two runs. */
const figures = ({ stdout }: Finished): { rows: Row[]; out: string } => {
  const { timeMs: _, ...rest } = JSON.parse(stdout);
  return rest;
};

test("each method at its settings nearest to each level, tuned plans within it, and the same again after a kill", async () => {
  const first = await compare("--out", out, "--json");
  expect(first.code).toBe(0);
  const { rows } = figures(first);
  expect(rows.map(({ method, label }) => `${method}:${label}`)).toEqual(
    expect.arrayContaining([
      "per-token:K4V2",
      "per-token:K4V4",
      "kvtuner-per-token:at most 5 bits",
      "kvtuner-all:at most 5 bits",
    ]),
  );
  for (const { method, levels, bits } of rows) expect(!method.startsWith("kvtuner-") || bits <= levels[0]!).toBe(true);
  const klOf = (name: string): number => rows.find(({ method, levels }) => method === name && levels.includes(5))!.kl;
  expect(klOf("kvtuner-all")).toBeLessThan(klOf("per-token"));

  // The tuned plan is a plan file like any other.
  const plan = join(out, "kvtuner-all-5.json");
  const evaluated = await cli.start([
    "eval",
    cli.model,
    "--plan",
    plan,
    ...TEXT,
    "--context",
    "256",
    "--json",
    "--quiet",
  ]).finished;
  expect(JSON.parse(evaluated.stdout).kl).toBe(klOf("kvtuner-all"));

  // What a killed run leaves: some lines, and a half-written one.
  const scores = join(out, "scores.jsonl");
  const lines = readFileSync(scores, "utf8").split("\n");
  writeFileSync(scores, `${lines.slice(0, 3).join("\n")}\n${lines[3]!.slice(0, 20)}`);
  const again = await compare("--out", out, "--json");
  expect(again.stderr).toContain("scores.jsonl: dropped a half-written last line");
  expect(figures(again)).toEqual(figures(first));
  expect(readFileSync(scores, "utf8").split("\n").toSorted()).toEqual(lines.toSorted());

  // Settings with tables, or scales, are kept too.
  expect(existsSync(join(out, "calibrated-fp8-fp8-calibrated.json"))).toBe(true);

  // Nothing is left to measure: a table, and a page with the same figures.
  const shown = await compare("--out", out, "--quiet");
  expect(shown.stdout).toMatch(/^per token +K4V4 +5\./m);
  expect(shown.stdout).toContain("KVTuner over everything");
  expect(readFileSync(join(out, "comparison.html"), "utf8")).toContain("KVTuner over everything");
  expect(readFileSync(scores, "utf8").split("\n")).toHaveLength(lines.length);

  // Times where the CPU backend has a kernel.
  const timed = figures(await compare("--out", out, "--time", "--json", "--quiet")).rows;
  for (const { decodeTime } of timed) expect(decodeTime).toBeGreaterThan(0);

  // More methods add lines, here without a kernel; other samples are refused.
  const more = figures(
    await compare("--out", out, "--methods", "compact,fp4", "--bits", "16", "--time", "--json", "--quiet"),
  ).rows;
  expect(more.map(({ method, decodeTime }) => [method, decodeTime !== undefined])).toEqual([
    ["compact", true],
    ["fp4", false],
  ]);
  const refused = await compare("--out", out, "--sample-length", "32");
  expect(refused.stderr).toMatch(/error \[STUDY_DIFFERS\].*--sample-length 64 there, 32 now/);
}, 120_000);

test.each([
  [["--methods", "kivi,kivy"], "OPTION_INVALID", /one of float16, .*kivi, .*"kivy"/],
  [["--bits", "3,x"], "USAGE", /expected a number/],
  [["--bits", "0"], "OPTION_INVALID", /above 0 and up to 16, got 0/],
  [["--methods", "per-token", "--bits", "1,1.5"], "OPTION_INVALID", /some setting reaches.* per-token:K2V2 takes/],
  [["--text", "missing.txt"], "TEXT_UNREADABLE", /missing\.txt/],
  [["--shots", "2"], "OPTION_INVALID", /--shots/],
  [["--sample-length", "10000"], "EVALUATION_TEXT_TOO_SHORT", /10000|20000/],
])("%j is refused, and leaves no folder", async (argv, code, message) => {
  const folder = join(cli.folder, "refused");
  const finished = await compare("--out", folder, ...argv);
  expect(finished).toMatchObject({ code: 2, stdout: "" });
  expect(finished.stderr).toMatch(new RegExp(`error \\[${code}\\]`));
  expect(finished.stderr).toMatch(message);
  expect(() => readFileSync(join(folder, "settings.json"))).toThrow("ENOENT");
});
