import { gguf as huggingFaceGguf } from "@huggingface/gguf";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cachedModel } from "../test-support/cached-model.ts";
import { type FileSource, openFileSource } from "./file-source.ts";
import { type GgufFile, openGguf } from "./gguf.ts";

const path = cachedModel();

describe.skipIf(!path)("SmolLM2 (needs `npm run model -- smollm2`)", () => {
  let source: FileSource;
  let file: GgufFile;

  beforeAll(async () => {
    source = await openFileSource(path!);
    file = await openGguf(source);
  });

  afterAll(() => source.close());

  test("has the header that @huggingface/gguf reads", async () => {
    const theirs = await huggingFaceGguf(path!, { allowLocalFile: true });
    const { version: _version, tensor_count: tensorCount, kv_count: entryCount, ...metadata } = theirs.metadata;
    const ours = [...file.metadata].map(([key, value]) => [key, ArrayBuffer.isView(value) ? Array.from(value) : value]);
    expect(Object.fromEntries(ours)).toEqual(metadata);
    expect([file.tensors.size, file.metadata.size]).toEqual([Number(tensorCount), Number(entryCount)]);
    const places = theirs.tensorInfos.map(({ name, shape, dtype, offset }) => ({
      name,
      dims: shape.map(Number),
      typeId: dtype,
      offset: Number(theirs.tensorDataOffset + offset),
    }));
    expect(
      [...file.tensors.values()].map(({ name, dims, typeId, offset }) => ({ name, dims, typeId, offset })),
    ).toEqual(places);
  });

  test("has rows on demand that are rows of the whole tensor", async () => {
    const whole = await file.readTensor("token_embd.weight");
    const width = file.tensors.get("token_embd.weight")!.dims[0]!;
    const rows = await file.readTensorRows("token_embd.weight", [7, 49_151]);
    expect(rows.subarray(0, width)).toEqual(whole.subarray(7 * width, 8 * width));
    expect(rows.subarray(width)).toEqual(whole.subarray(49_151 * width));
  });
});
