import { existsSync, mkdtempSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { planBytes } from "@kvtuner/plan";
import { beforeAll, describe, expect, test } from "vitest";
import { writeTinyModel } from "../../test/tiny-model.ts";
import type { RunnerOptions } from "../options.ts";
import { openRunner, type Runner } from "./runner.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-session-"));
const model = join(folder, "tiny.gguf");
const base = { model, plan: "per-token:K8V8+recent8", backend: "cpu-reference", threads: 1 };
const question = [{ role: "user", content: "What is the thing of things?" }] as const;

beforeAll(() => writeTinyModel(model));

const using = async <Result>(
  options: Partial<RunnerOptions>,
  work: (runner: Runner) => Promise<Result>,
): Promise<Result> => {
  const runner = await openRunner({ ...base, ...options });
  try {
    return await work(runner);
  } finally {
    await runner.dispose();
  }
};

/** A file with the answer to the question. */
const savedAnswer = async (name: string): Promise<{ session: string; text: string }> => {
  const session = join(folder, name);
  const text = await using({ session }, async (runner) => {
    expect(runner.restored).toBeUndefined();
    return (await runner.generate({ prompt: question, maxTokens: 12 })).text;
  });
  return { session, text };
};

const next = (text: string) =>
  [...question, { role: "assistant", content: text }, { role: "user", content: "the other" }] as const;

describe("a saved session", () => {
  test("goes on in a new runner as if it had never stopped, and keeps the conversation", async () => {
    const { session, text } = await savedAnswer("goes-on.kvsession");
    const whole = await using({}, async (runner) => {
      await runner.generate({ prompt: question, maxTokens: 12 });
      return runner.generate({ prompt: next(text), maxTokens: 20 });
    });
    await using({ session }, async (runner) => {
      expect(runner.restored?.messages).toEqual(next(text).slice(0, 2));
      const result = await runner.generate({ prompt: next(text), maxTokens: 20 });
      expect(result.prompt).toEqual(whole.prompt);
      expect(result.ids).toEqual(whole.ids);
      expect(result.cache).toEqual(whole.cache);
    });
    const again = await using({ session }, async (runner) => runner.restored);
    expect(again?.messages).toHaveLength(4);
    expect(again?.tokens).toBe(whole.cache.tokens);
    expect(readdirSync(folder).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test("is encoded again under a coarser plan, and refused under a finer one", async () => {
    const { session, text } = await savedAnswer("coarser.kvsession");
    await using({ session, plan: "per-token:K2V2+recent8" }, async (runner) => {
      const { cache, prompt } = await runner.generate({ prompt: next(text), maxTokens: 1 });
      expect(prompt.reused).toBeGreaterThan(20);
      expect(cache.bytes).toEqual(planBytes(runner.plan, cache.tokens));
    });
    const { session: fine } = await savedAnswer("finer.kvsession");
    await expect(openRunner({ ...base, session: fine, plan: "none" })).rejects.toMatchObject({
      code: "SESSION_PLAN",
    });
  });

  test("of another model of the same shape is refused", async () => {
    const { session } = await savedAnswer("foreign.kvsession");
    const other = join(folder, "other.gguf");
    writeTinyModel(other, { "general.name": "other" });
    await expect(openRunner({ ...base, model: other, session })).rejects.toMatchObject({
      code: "SESSION_FOREIGN",
      message: expect.stringContaining(session) as unknown,
    });
  });

  test("that is damaged is refused, and one that cannot be written costs a warning", async () => {
    const session = join(folder, "damaged.kvsession");
    writeFileSync(session, "no session");
    await expect(openRunner({ ...base, session })).rejects.toMatchObject({ code: "SESSION_DAMAGED" });
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    const nowhere = join(folder, "missing", "x.kvsession");
    const result = await using({ session: nowhere, onWarning }, async (runner) =>
      runner.generate({ prompt: "the thing", maxTokens: 3 }),
    );
    expect(result.ids).toHaveLength(3);
    expect(warnings).toEqual([expect.stringMatching(/not saved: writing .*missing.* failed/)]);
    expect(existsSync(nowhere)).toBe(false);
  });
});

describe("a folder of sessions", () => {
  const long = "the thing of things is the thing that other things are not, and so on";
  const generated = async (sessions: string, prompt: string, options: Partial<RunnerOptions> = {}) =>
    using({ sessions, ...options }, async (runner) => runner.generate({ prompt, maxTokens: 4 }));
  const filesOf = (path: string): string[] => readdirSync(path).toSorted();

  test("gives the longest prefix of a prompt, and the same text as without it", async () => {
    const sessions = join(folder, "prefixes");
    await generated(sessions, `${long}.`);
    await generated(sessions, "something else that is long enough to be reused later on");
    expect(filesOf(sessions)).toHaveLength(2);
    const plan = "none"; // Truncating a 16-bit cache leaves no trace.
    const exact = join(folder, "exact");
    await generated(exact, `${long}.`, { plan });
    const reused = await generated(exact, `${long}!`, { plan });
    const fresh = await using({ plan }, async (runner) => runner.generate({ prompt: `${long}!`, maxTokens: 4 }));
    expect(fresh.prompt.reused).toBe(0);
    expect(reused.prompt.reused).toBeGreaterThan(50);
    expect(reused.ids).toEqual(fresh.ids);
  });

  test("keeps one file of a text that goes on", async () => {
    const sessions = join(folder, "goes-on");
    await using({ sessions }, async (runner) => {
      await runner.generate({ prompt: "the thing", maxTokens: 1 });
      const first = filesOf(sessions);
      await runner.generate({ prompt: "the thing and more", maxTokens: 1 });
      expect(filesOf(sessions)).toHaveLength(1);
      expect(filesOf(sessions)).not.toEqual(first);
      await runner.generate({ prompt: "another", maxTokens: 1 });
      expect(filesOf(sessions)).toHaveLength(2);
    });
  });

  test("removes what was used longest ago when the budget is reached, and keeps nothing that exceeds it alone", async () => {
    const sessions = join(folder, "budget");
    await generated(sessions, `first ${long}`);
    const [first = ""] = filesOf(sessions);
    const { size } = statSync(join(sessions, first));
    utimesSync(join(sessions, first), 1, 1);
    const sessionsBudget = Math.floor(2.5 * size);
    await generated(sessions, `second ${long}`, { sessionsBudget });
    expect(filesOf(sessions)).toHaveLength(2);
    await generated(sessions, `third ${long}`, { sessionsBudget });
    expect(filesOf(sessions)).toHaveLength(2);
    expect(filesOf(sessions)).not.toContain(first);
    const warnings: string[] = [];
    const onWarning = (message: string): void => void warnings.push(message);
    await generated(sessions, `fourth ${long}`, { sessionsBudget: size / 2, onWarning });
    expect(warnings).toEqual([expect.stringMatching(/not saved: .*--sessions-budget/)]);
  });

  test("passes over damaged files", async () => {
    const sessions = join(folder, "damaged");
    await generated(sessions, long);
    const [name = ""] = filesOf(sessions);
    const path = join(sessions, name);
    const bytes = readFileSync(path);
    bytes[bytes.length - 50]! ^= 1;
    writeFileSync(path, bytes);
    writeFileSync(join(sessions, "other.kvsession"), "no session");
    const result = await generated(sessions, long);
    expect(result.prompt.reused).toBe(0);
  });
});
