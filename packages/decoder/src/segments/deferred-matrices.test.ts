import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { uniformFloat32 } from "pure-rand/distribution/uniformFloat32";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { afterAll, expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import { forward } from "../forward.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { type GgufFile, openGguf } from "../gguf/gguf.ts";
import { randomBlocks } from "../gguf/test-support/random-blocks.ts";
import { loadDecoder, type LoadOptions } from "../load-decoder.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { segmentFolder } from "./segment-folder.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-experts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const createSession = async (model: Uint8Array | string): Promise<InferenceSession> =>
  InferenceSession.create(model as string);

const logitsOf = async (source: GgufFile, ids: readonly number[], options: Partial<LoadOptions>): Promise<unknown> => {
  const decoder = await loadDecoder(source, { createSession, ...options });
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const positions = ids.map((_, position) => position);
  const { data } = await decoder.head(await forward(decoder, ids, positions, attention, 1, [decoder.createState()]));
  await decoder.dispose();
  return data;
};

/** A source that notes the most rows read at once of each tensor with such a name. */
const watched = (file: GgufFile, names: RegExp): { readonly source: GgufFile; readonly most: Map<string, number> } => {
  const most = new Map<string, number>();
  const rowsOf = (name: string): number =>
    file.tensors
      .get(name)!
      .dims.slice(1)
      .reduce((all, dim) => all * dim, 1);
  const note = (name: string, rows: number): void => {
    if (names.test(name)) most.set(name, Math.max(most.get(name) ?? 0, rows));
  };
  const source: GgufFile = {
    ...file,
    readTensor: async (name) => (note(name, rowsOf(name)), file.readTensor(name)),
    readTensorRows: async (name, rows) => (note(name, rows.length), file.readTensorRows(name, rows)),
    readTensorBlocks: async (name, from = 0, to = rowsOf(name)) => (
      note(name, to - from),
      file.readTensorBlocks(name, from, to)
    ),
  };
  return { source, most };
};

const [F32, Q4_1, MXFP4] = [0, 3, 39];

// A layer's experts may be larger than memory, and than the 2 GiB of a model that is compiled from memory.
test.each([
  ["gpt-oss", MXFP4, "float32"],
  ["gpt-oss", MXFP4, "stored-int8"],
  ["qwen3moe", Q4_1, "stored"],
  ["gemma4.experts", F32, "float32"],
  ["gemma4.experts", F32, "stored-int8"],
] as const)(
  "experts of %s in type %i are written one at a time and give the logits of memory, as %s",
  async (name, typeId, weights) => {
    const model = familyModel(name);
    const random = xoroshiro128plus(1);
    const bytes = familyGguf(model, (tensor, size) =>
      typeId !== F32 && tensor.endsWith("_exps.weight")
        ? { typeId, data: randomBlocks(typeId, size, 0.3, () => uniformFloat32(random)) }
        : undefined,
    );
    const { source, most } = watched(await openGguf(bufferSource(bytes)), /_exps\.weight$/);
    const segmentFiles = segmentFolder(join(folder, `${name}-${typeId}-${weights}`), createSession);
    const filed = await logitsOf(source, model.ids, { weights, segmentFiles, residentSegments: 1 });
    expect(most.size).toBeGreaterThan(0);
    for (const [tensor, rows] of most) expect(rows).toBeLessThanOrEqual(source.tensors.get(tensor)!.dims[1]!);
    expect(filed).toEqual(await logitsOf(source, model.ids, { weights }));
  },
);

test.each(["llama", "phi3.short", "gpt-oss"])(
  "a segment of %s is built without its matrices after attention",
  async (name) => {
    const file = await openGguf(bufferSource(familyGguf(familyModel(name))));
    const { source, most } = watched(file, /\.(?:attn_output|ffn_(?:gate|up|down)(?:_exps)?)\.weight$/);
    const unused = async (): Promise<never> => Promise.reject(new Error("not written"));
    const write = async (_: string, build: () => Promise<unknown>): Promise<void> => void (await build());
    const segmentFiles = { write, read: unused, open: unused };
    await loadDecoder(source, { createSession, weights: "stored-int8", segmentFiles, residentSegments: 1 });
    expect(most.size).toBeGreaterThan(0);
    // One row tells how a matrix is kept.
    for (const [tensor, rows] of most) expect([tensor, rows]).toEqual([tensor, 1]);
  },
);
