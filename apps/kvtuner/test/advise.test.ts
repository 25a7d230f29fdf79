import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const text = join(cli.folder, "text.txt");
const SMALL = ["--text", text, "--samples", "2", "--sample-length", "64"];
const advise = (...argv: string[]): Promise<Finished> => cli.start(["advise", cli.model, ...SMALL, ...argv]).finished;

beforeAll(() => writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(60)));

test("advises llama.cpp: a table, and the flags of each setting", async () => {
  const shown = await advise("--for", "llama.cpp", "--context", "1k", "--quiet");
  expect(shown.code).toBe(0);
  expect(shown.stdout).toMatch(/^llama\.cpp: 48 settings at 1024 tokens, 8 of them measured/);
  expect(shown.stdout).toMatch(/^\w+\/\w+: --cache-type-k \w+ --cache-type-v \w+ --flash-attn on$/m);

  const budget = 200_000;
  const within = await advise("--for", "llama.cpp", "--context", "1024", "--budget", String(budget), "--json");
  const { settings } = JSON.parse(within.stdout) as { settings: { label: string; kl: number; bytes: number }[] };
  expect(settings.length).toBeGreaterThan(0);
  for (const { bytes } of settings) expect(bytes).toBeLessThanOrEqual(budget);
}, 60_000);

test.each([
  [["--for", "lama.cpp"], "USAGE", /llama\.cpp, vllm, onnxruntime, transformers, mlx, exllamav3/],
  [[], "USAGE", /--for/],
  [["--for", "mlx"], "ADVICE_NO_SETTING", /heads of multiples of 64/],
  [["--for", "llama.cpp", "--budget", "1"], "BUDGET_TOO_SMALL", /the smallest, \w+\/\w+, takes \d+ bytes/],
  [["--for", "llama.cpp", "--context", "4q"], "USAGE", /expected a number/],
])("%j is refused", async (argv, code, message) => {
  const finished = await advise(...argv);
  expect(finished).toMatchObject({ code: 2, stdout: "" });
  expect(finished.stderr).toMatch(new RegExp(`error \\[${code}\\]`));
  expect(finished.stderr).toMatch(message);
});
