import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Finished, Running } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const cli = useCli();
const { folder, model } = cli;

const PLAN = ["--plan", "per-token:K4V4+recent8", "--threads", "1"];

const starting = (argv: readonly string[], input = ""): Running => cli.start(["run", model, ...PLAN, ...argv], input);

const kvtunerRun = async (argv: readonly string[], input = ""): Promise<Finished> => starting(argv, input).finished;

describe("kvtuner run", () => {
  test("writes the text to stdout and figures to stderr, from --prompt or stdin", async () => {
    const given = await kvtunerRun(["--prompt", "the thing", "--max-tokens", "20", "--raw"]);
    expect(given).toMatchObject({ code: 0, stderr: expect.stringMatching(/6 tokens of prompt, 20 generated/) });
    expect(given.stderr).toMatch(/prefill 6 at .* tokens\/s, decode 19 at .* tokens\/s, on cpu\n/);
    expect(given.stderr).toMatch(/cache of 25 tokens: .*key codes .*; 16 bits would take/);
    const piped = await kvtunerRun(["--max-tokens", "20", "--quiet", "--raw"], "the thing\n");
    expect(piped).toEqual({ ...given, stderr: "" });

    const json = await kvtunerRun(["--prompt", "the thing", "--max-tokens", "20", "--json", "--quiet"]);
    const result = JSON.parse(json.stdout);
    expect(`${result.text}\n`).toBe(given.stdout);
    expect(result).toMatchObject({ finish: "length", backend: "cpu", prompt: { tokens: 6, reused: 0 } });
    expect(result.cache.bytes.total).toBeLessThan(result.cache.bytes16);
  });

  test("the reference backend and exact weights can be had", async () => {
    const argv = ["--prompt", "the", "--max-tokens", "3", "--backend", "cpu-reference", "--weights", "exact", "--json"];
    const { code, stdout } = await kvtunerRun(argv);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ backend: "cpu-reference", decode: { tokens: 2 } });
  });

  test("--stop ends the text before it, --top-k 1 takes the likeliest token", async () => {
    const argv = ["--prompt", "the thing", "--max-tokens", "40", "--temperature", "2", "--json", "--quiet"];
    const generated = async (...more: string[]): Promise<{ text: string; finish: string; ids: number[] }> =>
      JSON.parse((await kvtunerRun([...argv, ...more])).stdout);
    const whole = await generated();
    const [one, other] = [whole.text.slice(12, 14), whole.text.slice(8, 10)];
    const stopped = await generated("--stop", one, "--stop", other);
    const end = Math.min(whole.text.indexOf(one), whole.text.indexOf(other));
    expect(stopped).toMatchObject({ text: whole.text.slice(0, end), finish: "stop" });
    expect(stopped.ids.length).toBeLessThan(whole.ids.length);
    const likeliest = await generated("--temperature", "0");
    expect((await generated("--top-k", "1")).ids).toEqual(likeliest.ids);
    expect(likeliest.ids).not.toEqual(whole.ids);
  });

  test("--system is put in front of a conversation", async () => {
    const tokens = async (...more: string[]): Promise<number> => {
      const { stdout } = await kvtunerRun(["--chat", "--json", "--quiet", "--max-tokens", "1", ...more], "What?\n");
      return JSON.parse(stdout).prompt.tokens;
    };
    // Letters and signs of the template's line, each a token.
    expect(await tokens("--system", "Be curt.")).toBe((await tokens()) + String.raw`system: Be curt.\n`.length);
  });

  test("--chat answers each line from one cache", async () => {
    const { code, stdout } = await kvtunerRun(["--chat", "--json", "--max-tokens", "9"], "What?\n\nthe other thing\n");
    expect(code).toBe(0);
    const [first, second, ...more] = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(more).toEqual([]);
    expect(first.prompt.reused).toBe(0);
    expect(second.prompt.reused).toBeGreaterThanOrEqual(first.prompt.tokens);
  });

  test("--chat reports a message that exceeds the context, continues without it, and ends with 2", async () => {
    const input = `one\n${"x".repeat(600)}\ntwo\n`;
    const { code, stdout, stderr } = await kvtunerRun(["--chat", "--json", "--quiet", "--max-tokens", "5"], input);
    expect(code).toBe(2);
    expect(stdout.trim().split("\n")).toHaveLength(2);
    expect(stderr.match(/^error \[\w+\]/gm)).toEqual(["error [PROMPT_TOO_LONG]", "error [CHAT_REFUSED]"]);
  });

  test("SIGINT ends a generation, with 130 and what there is of the text", async () => {
    const running = starting(["--prompt", "the", "--max-tokens", "500", "--temperature", "1"]);
    await once(running.process.stdout!, "data");
    running.process.kill("SIGINT");
    expect(await running.finished).toMatchObject({ code: 130, stderr: expect.stringContaining("interrupted") });
  });

  test("SIGINT in a conversation ends one answer, not the program", async () => {
    const running = starting(["--chat", "--max-tokens", "400", "--temperature", "1"], "one\ntwo\n");
    await once(running.process.stdout!, "data");
    running.process.kill("SIGINT");
    const { code, stderr } = await running.finished;
    expect(code).toBe(0);
    expect(stderr.match(/tokens of prompt.*/g)).toEqual([
      expect.stringContaining("interrupted"),
      expect.not.stringContaining("interrupted"),
    ]);
  });

  test.each([
    ["no text", ["--prompt", ""], "PROMPT_EMPTY"],
    ["a text beyond the context", ["--prompt", "x".repeat(600)], "PROMPT_TOO_LONG"],
    ["an unknown backend", ["--prompt", "a", "--backend", "gpu"], "USAGE"],
    ["a prompt and a conversation", ["--prompt", "a", "--chat"], "USAGE"],
    ["a system text without a conversation", ["--prompt", "a", "--system", "b"], "USAGE"],
    ["a stop text of nothing", ["--prompt", "a", "--stop", ""], "OPTION_INVALID"],
    ["no likeliest tokens", ["--prompt", "a", "--top-k", "0"], "OPTION_INVALID"],
    ["a temperature below 0", ["--prompt", "a", "--temperature", "-1"], "OPTION_INVALID"],
  ])("%s is refused", async (_, argv, code) => {
    const finished = await kvtunerRun([...argv, "--json"]);
    expect(finished).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(`^error \\[${code}\\]: `) });
  });

  test("a plan for another model is refused", async () => {
    expect.hasAssertions();
    const plan = join(folder, "other.json");
    const layer = {
      key: { kind: "float16" },
      value: { kind: "float16" },
      residency: { kind: "prefix", sinks: 0, recent: 0 },
    };
    const other = {
      version: 2,
      model: { name: "Other", architecture: "llama", sha256: "0".repeat(64) },
      shape: { layers: 3, queryHeads: 2, kvHeads: 1, headSize: 32 },
      layers: [layer, layer, layer],
    };
    writeFileSync(plan, JSON.stringify(other));
    const finished = await cli.start(["run", model, "--plan", plan, "--prompt", "a"]).finished;
    expect(finished).toMatchObject({
      code: 2,
      stdout: "",
      stderr: expect.stringMatching(/^error \[PLAN_FOR_ANOTHER_MODEL\]: /),
    });
  });
});
