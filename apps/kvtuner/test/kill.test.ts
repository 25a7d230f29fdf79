import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { Finished } from "./built-cli.ts";
import { useCli } from "./use-cli.ts";

const MOMENTS = 20;

const cli = useCli();
const { folder, model } = cli;

const argv = (out: string): string[] =>
  `tune ${model} --out ${out} --mode per-token --pairs K8V8,K8V4,K4V4,K4V2,K2V2 --json --quiet --evaluations 12 --samples 1 --sample-length 32 --context 256`.split(
    " ",
  );

const run = async (out: string): Promise<Finished> => cli.start(argv(out)).finished;

/** Whole lines of both journals: what a resumed run does not do again. */
const journals = (out: string): string[][] =>
  ["profile.jsonl", "journal.jsonl"].map((name) => {
    const path = join(out, name);
    return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(0, -1) : [];
  });

const lineCount = (out: string): number => journals(out).flat().length;

/** Kills a run with SIGKILL after a time, or as soon as its journals hold some lines. */
const killAt = async (
  out: string,
  moment: { readonly lines: number } | { readonly timeMs: number },
): Promise<Finished> => {
  const { process: child, finished } = cli.start(argv(out));
  if ("timeMs" in moment) await sleep(moment.timeMs);
  else while (child.exitCode === null && lineCount(out) < moment.lines) await sleep(1);
  child.kill("SIGKILL");
  return finished;
};

/** A front without what two runs may differ in. */
const comparable = (stdout: string): unknown => {
  const { timeMs: _, out: __, ...result } = JSON.parse(stdout);
  return result;
};

describe("kill -9", () => {
  test(`at ${MOMENTS} moments of a run, then run again: the same front, and nothing done is done again`, async () => {
    const whole = join(folder, "whole");
    const started = performance.now();
    const uninterrupted = await run(whole);
    const timeMs = performance.now() - started;
    expect(uninterrupted).toMatchObject({ code: 0 });
    const lines = lineCount(whole);

    // A quarter of the moments by the clock, over start-up and steps without a journal; the rest spread over the journals.
    const moments = Array.from({ length: MOMENTS }, (_, index) =>
      index % 4 === 0 ? { timeMs: (timeMs * (index + 1)) / MOMENTS } : { lines: Math.floor((lines * index) / MOMENTS) },
    );
    let killed = 0;
    for (const [index, moment] of moments.entries()) {
      const out = join(folder, `killed-${index}`);
      if ((await killAt(out, moment)).signal === "SIGKILL") killed++;
      const before = journals(out);
      const resumed = await run(out);
      expect(resumed, `killed at ${JSON.stringify(moment)}`).toMatchObject({ code: 0 });
      expect(comparable(resumed.stdout)).toEqual(comparable(uninterrupted.stdout));
      for (const [journal, after] of journals(out).entries())
        expect(after.slice(0, before[journal]?.length)).toEqual(before[journal]);
      expect(lineCount(out)).toBe(lines);
      rmSync(out, { recursive: true });
    }
    expect(killed).toBeGreaterThan(MOMENTS / 2);
  }, 600_000);

  test("one study killed again and again ends with the same front", async () => {
    const uninterrupted = await run(join(folder, "whole"));
    const out = join(folder, "again");
    for (const lines of [1, 2, 9, 17, 30]) await killAt(out, { lines });
    const resumed = await run(out);
    expect(resumed).toMatchObject({ code: 0 });
    expect(comparable(resumed.stdout)).toEqual(comparable(uninterrupted.stdout));
  }, 120_000);
});
