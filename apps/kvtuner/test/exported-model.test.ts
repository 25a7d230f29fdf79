import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evaluate } from "../src/evaluate.ts";
import { inspect } from "../src/inspect.ts";
import { openExportedHeader } from "../src/model/exported-model.ts";
import { readPlanFile } from "../src/model/read-plan.ts";
import { processMemory } from "../src/model/weights.ts";
import { run } from "../src/run.ts";
import { tune } from "../src/tune.ts";

/** As the onnxruntime-genai model builder writes it. */
const model = fileURLToPath(new URL("../../../packages/decoder/src/fixtures/exported-llama", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "kvtuner-export-"));
const text = join(folder, "text.txt");

beforeAll(() => writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(40)));
afterAll(() => rmSync(folder, { recursive: true }));

test("a directory with an ONNX model is inspected, tuned and run like a GGUF file", async () => {
  const files = ["model.onnx", "model.onnx.data"].map((name) => statSync(join(model, name)).size);
  expect(await inspect({ target: model })).toMatchObject({
    kind: "model",
    model: { name: "exported-llama", architecture: "llama" },
    shape: { layers: 2, queryHeads: 2, kvHeads: 1, headSize: 16 },
    weightBytes: files.reduce((sum, size) => sum + size),
    difficulty: {
      layers: [
        { layer: 0, hasRope: true },
        { layer: 1, hasRope: true, biasNorm: 0 },
      ],
    },
  });
  const small = { text, samples: 1, sampleLength: 32 };
  const out = join(folder, "study");
  await tune({ model, out, ...small, context: 64, pairs: ["K8V8", "K2V2"], evaluations: 2 });
  const plan = readPlanFile(join(out, "plan.json"));
  const onnx = join(model, "model.onnx");
  expect((await evaluate({ model: onnx, plan: "per-token:K2V2", ...small })).kl).toBeGreaterThan(0);
  expect((await run({ model: onnx, plan, prompt: "the", maxTokens: 4 })).text).toEqual(expect.any(String));
});

test("within a limit of memory, few segments are open at a time", async () => {
  const { largestSegmentBytes, weightBytes, tokenizer } = await openExportedHeader(model);
  const { vocabularySize } = tokenizer();
  expect(largestSegmentBytes()).toBeLessThan(weightBytes);
  const memory = processMemory(vocabularySize) + largestSegmentBytes();
  const settings = { model, plan: "none", prompt: "the", maxTokens: 4 };
  expect((await run({ ...settings, memory })).ids).toEqual((await run(settings)).ids);
  await expect(run({ ...settings, memory: memory - 1 })).rejects.toMatchObject({ code: "MODEL_MEMORY" });
});

test("a limit of memory that its weights exceed is refused with the need", async () => {
  await expect(run({ model, plan: "none", prompt: "a", memory: 1e6 })).rejects.toMatchObject({
    code: "MODEL_MEMORY",
    message: expect.stringContaining("--memory 1.00 MB"),
  });
});

test("a directory without a model says what is accepted", async () => {
  await expect(run({ model: folder, plan: "none", prompt: "a" })).rejects.toMatchObject({
    code: "MODEL_NOT_FOUND",
    message: expect.stringContaining("directory with an ONNX model"),
  });
});
