import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parsePlan } from "@kvtuner/plan/files";
import { expect, test } from "vitest";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const text = join(cli.folder, "text.txt");
writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(60));

const SMALL = ["--text", text, "--samples", "1", "--sample-length", "64", "--context", "256"];

const calibrate = (out: string, ...argv: string[]): Promise<Finished> =>
  cli.start(["calibrate", cli.model, ...SMALL, "--out", join(cli.folder, out), ...argv]).finished;

test("writes a plan of the wanted setting, or of the one nearest to the bits, that can be evaluated", async () => {
  const named = await calibrate("scales", "--method", "fp8", "--setting", "fp8 calibrated", "--json");
  expect(named.code).toBe(0);
  const { path, layers, size } = JSON.parse(named.stdout);
  const plan = parsePlan(readFileSync(path, "utf8"));
  expect(plan.layers).toEqual(layers);
  expect(size.bits).toBe(8);
  const evaluated = await cli.start([
    "eval",
    cli.model,
    "--plan",
    path,
    "--text",
    text,
    "--samples",
    "1",
    "--sample-length",
    "64",
    "--json",
  ]).finished;
  expect(JSON.parse(evaluated.stdout).kl).toBeGreaterThan(0);
  const nearest = await calibrate("kivi", "--method", "kivi", "--bits", "3.3", "--json");
  expect(JSON.parse(nearest.stdout)).toMatchObject({ method: "kivi", setting: "K2V2" });
});

test("refuses settings that the method lacks, a text that is too short, and a folder with a plan", async () => {
  for (const [argv, message] of [
    [["--method", "kivi", "--setting", "K9V9"], /OPTION_INVALID.*one of kivi's \(K8V8, .*got K9V9/],
    [["--method", "kivi"], /one of kivi's .* or --bits in its place, got none/],
    [["--method", "fp8", "--setting", "fp8 calibrated", "--samples", "99"], /EVALUATION_TEXT_TOO_SHORT/],
  ] as const) {
    const refused = await calibrate("refused", ...argv);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(message);
  }
  const setting = ["--method", "kivi", "--setting", "K4V4"];
  expect((await calibrate("twice", ...setting)).code).toBe(0);
  expect((await calibrate("twice", ...setting)).stderr).toMatch(/error \[.*another --out folder/);
});
