import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeTinyModel } from "../test/tiny-model.ts";
import { fakeModel } from "./test-support/fake-model.ts";
import { tune } from "./tune.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-tune-memory-"));
const model = join(folder, "tiny.gguf");
writeTinyModel(model);

const text = join(folder, "text.txt");
writeFileSync(text, "A text. ".repeat(100));

/** Gradients of such samples fit no machine, and such a limit is refused once the model is open. */
const options = { model, text, samples: 1, sampleLength: 2 ** 34, limit: { kind: "bits", bits: 0.1 } } as const;

const PAST_THE_CHECK = "BUDGET_TOO_SMALL";

test.each([undefined, "gradient"] as const)("refuses gradients that do not fit (measure %s)", async (measure) => {
  const out = join(folder, "refused");
  await expect(tune({ ...options, out, ...(measure && { measure }) })).rejects.toMatchObject({
    code: "WORK_MEMORY",
    message: expect.stringMatching(/of memory for the gradients of 1 sample of 17179869184 tokens, got .*--samples/),
  });
});

test.each(["kl", "eo"] as const)("needs no memory for gradients that %s does not compute", async (measure) => {
  const out = join(folder, measure);
  await expect(tune({ ...options, out, measure })).rejects.toMatchObject({ code: PAST_THE_CHECK });
});

test("needs none for a study that was begun with kl", async () => {
  const out = join(folder, "begun");
  const onProgress = (): void => {
    throw new Error("stopped");
  };
  const begun = { model: fakeModel(), out, measure: "kl", samples: 1, sampleLength: 64, onProgress } as const;
  await expect(tune(begun)).rejects.toThrow("stopped");
  await expect(tune({ ...options, out })).rejects.toMatchObject({ code: PAST_THE_CHECK });
});

test("needs none for samples that a task does not use", async () => {
  const task = join(folder, "task.jsonl");
  writeFileSync(task, `${JSON.stringify({ prompt: "1 + 1 =", answer: " 2", compare: "exact" })}\n`);
  const out = join(folder, "task");
  await expect(tune({ ...options, out, task })).rejects.toMatchObject({ code: PAST_THE_CHECK });
});
