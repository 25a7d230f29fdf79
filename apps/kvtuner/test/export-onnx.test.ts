import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadTokenizer, tokenizerMetadata } from "@kvtuner/decoder";
import { openExportedFolder } from "@kvtuner/decoder/node";
import { layerScheme, type Plan } from "@kvtuner/plan";
import { textSamples } from "@kvtuner/tuning";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportTo } from "../src/export.ts";
import type { ExportOptions } from "../src/options.ts";

/** As the onnxruntime-genai model builder writes it. */
const model = fileURLToPath(new URL("../../../packages/decoder/src/fixtures/exported-llama", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "kvtuner-onnx-"));
const text = join(folder, "text.txt");
const small = { text, calibrationText: text, samples: 1, sampleLength: 32 };
const shape = { layers: 2, queryHeads: 2, kvHeads: 1, headSize: 16 };

/** Of the GGUF file of the same model. */
const [fine, coarse] = [layerScheme("per-token", { key: 8, value: 4 }), layerScheme("kivi", { key: 4, value: 2 })];
const plan: Plan = {
  version: 2,
  model: { name: "other", architecture: "mistral", sha256: "0".repeat(64) },
  shape,
  layers: [fine, coarse],
};

beforeAll(() => writeFileSync(text, "The quick brown fox jumps over the lazy dog. ".repeat(40)));
afterAll(() => rmSync(folder, { recursive: true }));

const exported = (options: Partial<ExportOptions>) =>
  exportTo({ plan, to: "onnx", model, out: join(folder, "out"), ...small, ...options });

/** Logits of all tokens, decoded one by one with the session's own caches. */
const decoded = async (path: string, ids: Int32Array): Promise<Float32Array[]> => {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 1 });
  let caches: Record<string, Tensor> = Object.fromEntries(
    session.inputMetadata.flatMap((input) => {
      if (!input.isTensor || !input.name.startsWith("past")) return [];
      const data = { float32: Float32Array, int8: Int8Array, uint8: Uint8Array }[input.type as "int8"];
      // The builder does not state the size of a head; the export states that of its codes.
      const size = input.shape[3];
      const dims = [1, shape.kvHeads, 0, typeof size === "number" ? size : shape.headSize];
      return [[input.name, new Tensor(input.type, new data(), dims)]];
    }),
  );
  const logits: Float32Array[] = [];
  for (const [position, id] of ids.entries()) {
    const output = await session.run({
      input_ids: new Tensor("int64", [BigInt(id)], [1, 1]),
      attention_mask: new Tensor("int64", new BigInt64Array(position + 1).fill(1n), [1, position + 1]),
      ...caches,
    });
    logits.push(output["logits"]!.data as Float32Array);
    const present = (past: string): Tensor => output[past.replace("past_key_values", "present")]!;
    caches = Object.fromEntries(Object.keys(caches).map((past) => [past, present(past)]));
  }
  await session.release();
  return logits;
};

const logProbabilities = (logits: Float32Array): number[] => {
  const largest = Math.max(...logits);
  const total = logits.reduce((sum, logit) => sum + Math.exp(logit - largest), 0);
  return [...logits].map((logit) => logit - largest - Math.log(total));
};

const klOf = (exact: Float32Array, other: Float32Array): number => {
  const [p, q] = [logProbabilities(exact), logProbabilities(other)];
  return p.reduce((sum, log, token) => sum + Math.exp(log) * (log - q[token]!), 0);
};

test("ONNX Runtime decodes the exported folder with the KL that export measured", async () => {
  const { out, changes, measured, text: map } = await exported({});
  // Two bits and two numbers for each head of 16 take 4 bits as well.
  expect(changes.map(({ layer, tensor, type }) => [layer, tensor, type])).toEqual([
    [0, "key", "int8 per channel"],
    [0, "value", "int8 per channel"],
    [1, "key", "int4 per channel"],
  ]);
  expect(Object.keys(JSON.parse(map) as object)).toEqual(["0", "1"]);
  expect(readdirSync(out!)).toEqual(readdirSync(model));
  // Weights are not copied where the file system can link them.
  expect(statSync(join(out!, "model.onnx.data")).size).toBe(statSync(join(model, "model.onnx.data")).size);

  const { tokenizer } = await openExportedFolder(out!);
  const { encode, startIds } = loadTokenizer({ metadata: tokenizerMetadata(tokenizer) });
  const sample = { encode: (part: string) => Int32Array.from(encode(part)), startIds };
  const [ids] = textSamples(sample, "The quick brown fox jumps over the lazy dog. ".repeat(40), small);
  const [exact, coded] = [
    await decoded(join(model, "model.onnx"), ids!),
    await decoded(join(out!, "model.onnx"), ids!),
  ];
  const kls = exact.map((logits, token) => klOf(logits, coded[token]!));
  const kl = kls.reduce((sum, one) => sum + one, 0) / kls.length;
  expect(measured!.exported.kl).toBeGreaterThan(0);
  expect(kl / measured!.exported.kl).toBeCloseTo(1, 1);
}, 60_000);

test("a plan of another shape, another kind of model and an existing folder are refused", async () => {
  const out = join(folder, "refused");
  const wide = { ...plan, shape: { ...shape, headSize: 32 } };
  await expect(exported({ out, plan: wide })).rejects.toMatchObject({ code: "PLAN_FOR_ANOTHER_MODEL" });
  await expect(exported({ out, model: text })).rejects.toMatchObject({ code: "OPTION_INVALID" });
  await expect(exportTo({ plan, to: "onnx", out })).rejects.toThrow(/ONNX/);
  await expect(exportTo({ plan, to: "onnx", model })).rejects.toThrow(/out/);
  expect(existsSync(out)).toBe(false);
  await expect(exported({ out: folder })).rejects.toMatchObject({ code: "EXPORT_FILE_EXISTS" });
});
