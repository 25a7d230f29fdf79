import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bench } from "../src/bench.ts";
import { evaluate } from "../src/evaluate.ts";
import { inspect } from "../src/inspect.ts";
import { readPlanFile } from "../src/model/read-plan.ts";
import type { PeerParts } from "../src/options.ts";
import { run } from "../src/run.ts";
import { tune } from "../src/tune.ts";
import { tinyModelParts, writeTinyModel } from "./tiny-model.ts";

const home = mkdtempSync(join(tmpdir(), "kvtuner-split-"));
const folder = join(home, "größe 模型 😀");
const whole = join(folder, "whole.gguf");
const parts = tinyModelParts([3, 12, 1]);
const paths = parts.map((_, index) => join(folder, `tiny größe-0000${index + 1}-of-00003.gguf`));
const text = join(folder, "text.txt");
const SMALL = { text, samples: 1, sampleLength: 32, context: 64 };

beforeAll(() => {
  mkdirSync(folder);
  writeTinyModel(whole);
  for (const [index, path] of paths.entries()) writeFileSync(path, parts[index]!);
  writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(40));
});
afterAll(() => rmSync(home, { recursive: true }));

describe("a split model, given by any of its parts", () => {
  test("has the cache, the text and the losses of the whole model", async () => {
    const options = { plan: "kivi:K4V2", prompt: "The fox", maxTokens: 8 };
    const [inspected, scored, written] = [
      await inspect({ target: whole }),
      await evaluate({ model: whole, plan: "kivi:K4V2", ...SMALL }),
      await run({ model: whole, ...options }),
    ];
    for (const path of paths.slice(0, 2)) {
      expect(await inspect({ target: path })).toEqual(inspected);
      expect(await evaluate({ model: path, plan: "kivi:K4V2", ...SMALL })).toEqual(scored);
      expect((await run({ model: path, ...options })).text).toBe(written.text);
    }
  });

  test("is tuned into a plan with the checksum of all parts in order, which runs on any part", async () => {
    const out = join(folder, "study");
    await tune({ model: paths[1]!, out, ...SMALL, pairs: ["K8V8", "K2V2"], evaluations: 2 });
    const plan = readPlanFile(join(out, "plan.json"));
    const hash = createHash("sha256");
    for (const part of parts) hash.update(part);
    expect(plan.model.sha256).toBe(hash.digest("hex"));
    await expect(run({ model: paths[0]!, plan, prompt: "a", maxTokens: 1 })).resolves.toMatchObject({});
    await expect(run({ model: whole, plan, prompt: "a", maxTokens: 1 })).rejects.toMatchObject({
      code: "PLAN_FOR_ANOTHER_MODEL",
    });
  });

  test("is given to another program by its first part", async () => {
    let given: PeerParts | undefined;
    const peer = async (peerParts: PeerParts): Promise<[]> => {
      given = peerParts;
      return [];
    };
    const timed = { plans: ["none"], contexts: [8], rounds: 1, tokens: 1, float: false, fill: "synthetic" } as const;
    await bench({ model: paths[2]!, ...timed, peer });
    expect(given?.modelPath).toBe(paths[0]);
  });
});
