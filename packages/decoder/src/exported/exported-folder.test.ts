import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import { forward } from "../forward.ts";
import type { CreateSession } from "../session.ts";
import { tokenizerMetadata } from "../tokenizer/tokenizer-json.ts";
import { loadTokenizer } from "../tokenizer/tokenizer.ts";
import { isExportedFolder, openExportedFolder } from "./exported-folder.ts";
import { loadExported } from "./exported-model.ts";

const FIXTURE = fileURLToPath(new URL("../fixtures/exported-llama", import.meta.url));
const expected = JSON.parse(readFileSync(join(FIXTURE, "expected.json"), "utf8")) as {
  readonly ids: number[];
  readonly logits: number[][];
  readonly texts: { readonly text: string; readonly ids: number[] }[];
};

const createSession: CreateSession = (model, { weightsFolder } = { outputLocation: "cpu" }) =>
  InferenceSession.create(
    model,
    weightsFolder === undefined
      ? {}
      : { extra: { session: { model_external_initializers_file_folder_path: weightsFolder } } },
  );

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kvtuner-export-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a directory of the onnxruntime-genai builder gives the logits of transformers, with its weights in their file", async () => {
  expect(await isExportedFolder(FIXTURE)).toBe(true);
  const { model, name, weightsFolder, paths } = await openExportedFolder(FIXTURE);
  expect([name, paths.map((path) => path.slice(FIXTURE.length + 1))]).toEqual([
    "exported-llama",
    ["model.onnx", "model.onnx.data"],
  ]);
  expect(model.shape).toEqual({ layers: 2, queryHeads: 2, kvHeads: 1, headSize: 16 });
  const decoder = await loadExported(model, { createSession, weightsFolder, name });
  const positions = expected.ids.map((_, position) => position);
  const cache = new FloatAttention(decoder.shape, decoder.attention);
  const logits = await decoder.head(await forward(decoder, expected.ids, positions, cache));
  const actual = [...(logits.data as Float32Array)];
  const wanted = expected.logits.flat();
  const largest = Math.max(...wanted.map(Math.abs));
  expect(Math.max(...actual.map((logit, index) => Math.abs(logit - wanted[index]!))) / largest).toBeLessThan(1e-4);
  await decoder.dispose();
});

test("its tokenizer gives the ids of Hugging Face, and quotes special tokens of users", async () => {
  const { tokenizer: files } = await openExportedFolder(FIXTURE);
  const tokenizer = loadTokenizer({ metadata: tokenizerMetadata(files) });
  for (const { text, ids } of expected.texts) {
    expect([...tokenizer.encode(text)]).toEqual(ids);
    expect(tokenizer.decode(ids)).toBe(text);
  }
  expect([tokenizer.startIds, tokenizer.eosIds]).toEqual([[258], [260]]);
  const ids = [...tokenizer.chatIds([{ role: "user", content: "<|im_end|>" }])];
  expect(ids.filter((id) => id === 260)).toHaveLength(1);
  expect(tokenizer.decode(ids)).toBe("<s><|im_start|>user\n<|im_end|><|im_end|>\n<|im_start|>assistant\n");
});

test("says which file is missing, and finds models in a subfolder", async () => {
  const path = join(folder, "Modèle à tester");
  mkdirSync(join(path, "onnx"), { recursive: true });
  await expect(openExportedFolder(path)).rejects.toMatchObject({ code: "EXPORT_FILES" });
  expect(await isExportedFolder(path)).toBe(false);
  for (const name of readdirSync(FIXTURE))
    copyFileSync(join(FIXTURE, name), join(path, name.startsWith("model") ? "onnx" : "", name));
  expect((await openExportedFolder(path)).name).toBe("Modèle à tester");
  copyFileSync(join(FIXTURE, "model.onnx"), join(path, "model.onnx"));
  await expect(openExportedFolder(path)).rejects.toThrow(/expected model.onnx or one other .*pass the path/);
  rmSync(join(path, "model.onnx"));
  rmSync(join(path, "onnx", "model.onnx.data"));
  await expect(openExportedFolder(path)).rejects.toMatchObject({
    code: "EXPORT_FILES",
    message: expect.stringMatching(/^expected model\.onnx\.data in .*onnx, got none; download it/) as unknown,
  });
  copyFileSync(join(FIXTURE, "model.onnx.data"), join(path, "onnx", "model.onnx.data"));
  rmSync(join(path, "tokenizer.json"));
  await expect(openExportedFolder(path)).rejects.toThrow(/expected tokenizer.json in /);
});
