import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serializePlan, parsePlan } from "@kvtuner/plan/files";
import { beforeAll, expect, test } from "vitest";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const path = join(cli.folder, "plan.json");
const text = join(cli.folder, "text.txt");
const SMALL = ["--text", text, "--samples", "1", "--sample-length", "128"];

const exported = (...argv: string[]): Promise<Finished> => cli.start(["export", path, ...argv]).finished;

beforeAll(async () => {
  writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(60));
  const out = join(cli.folder, "study");
  const tune = [
    "tune",
    cli.model,
    "--mode",
    "per-token",
    "--pairs",
    "K8V8,K4V4",
    "--measure",
    "kl",
    "--evaluations",
    "2",
  ];
  await cli.start([...tune, ...SMALL, "--bits", "12", "--out", out]).finished;
  writeFileSync(path, readFileSync(join(out, "plan.json")));
}, 120_000);

test("a preset goes to stdout alone and, read as a plan, has the same loss", async () => {
  const { stdout, stderr, code } = await exported("--to", "kvtuner-yaml");
  expect(code).toBe(0);
  expect(stderr).toMatch(/^All layers keep their bits\./m);
  const preset = join(cli.folder, "tiny-pertoken.yaml");
  writeFileSync(preset, stdout);
  const argv = ["eval", cli.model, "--plan", `${path},${preset}`, ...SMALL, "--json", "--quiet"];
  const { stdout: scores } = await cli.start(argv).finished;
  const [plan, read] = JSON.parse(scores) as { kl: number; bits: number }[];
  expect({ kl: read!.kl, bits: read!.bits }).toEqual({ kl: plan!.kl, bits: plan!.bits });

  const nameless = join(cli.folder, "preset.yaml");
  writeFileSync(nameless, stdout);
  const refused = await cli.start(["eval", cli.model, "--plan", nameless, ...SMALL]).finished;
  expect(refused.stderr).toMatch(/error \[PRESET_INVALID\].*kivi or pertoken in the name/);
}, 60_000);

test("with a model, the loss of what the target stores is measured beside the plan's", async () => {
  const argv = ["--to", "vllm", "--model", cli.model, ...SMALL, "--json", "--quiet"];
  const { stdout, stderr, code } = await exported(...argv);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const result = JSON.parse(stdout);
  expect(result.text).toMatch(/^--kv-cache-dtype \w+/);
  expect(result.measured.exported.kl).toBeGreaterThan(0);
  const own = parsePlan(serializePlan({ ...result.plan }));
  expect(own.layers).toHaveLength(result.plan.layers.length);
}, 60_000);

test("an existing file stays", async () => {
  const out = join(cli.folder, "flags.txt");
  expect(await exported("--to", "llama.cpp", "--out", out)).toMatchObject({ code: 0, stdout: "" });
  const before = readFileSync(out, "utf8");
  expect(before).toMatch(/^--cache-type-k \w+ --cache-type-v \w+/);
  expect((await exported("--to", "vllm", "--out", out)).stderr).toMatch(/error \[EXPORT_FILE_EXISTS\]/);
  expect(readFileSync(out, "utf8")).toBe(before);
});

test.each([
  [["--to", "exllama"], /error \[USAGE\].*llama\.cpp/],
  [["--to", "onnx"], /error \[OPTION_INVALID\].*--out.*new folder/],
  [["--to", "onnx", "--out", "new", "--model", "tiny.gguf"], /error \[OPTION_INVALID\].*--model.*ONNX/],
  [["--to", "vllm", "--calibration-text", "a.txt"], /error \[OPTION_INVALID\].*calibration-text.*vllm/],
  [[], /error \[USAGE\].*--to/],
  [["--to", "vllm", "--out", "/nonexistent/flags"], /error \[EXPORT_FILE\].*ENOENT/],
])("%j is refused", async (argv, message) => {
  const finished = await exported(...argv);
  expect(finished).toMatchObject({ code: 2, stdout: "" });
  expect(finished.stderr).toMatch(message);
  expect(existsSync("/nonexistent")).toBe(false);
});
