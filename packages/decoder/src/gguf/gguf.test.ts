import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test as lawTest } from "@fast-check/vitest";
import { gguf as huggingFaceGguf } from "@huggingface/gguf";
import { describe, expect, onTestFinished, test } from "vitest";
import { type ByteSource, bufferSource } from "./byte-source.ts";
import { openFileSource } from "./file-source.ts";
import { GgufError } from "./gguf-error.ts";
import { type GgufFile, openGguf } from "./gguf.ts";
import { TENSOR_TYPES } from "./tensor-types.ts";
import { type WritableTensor, writeGguf } from "./test-support/write-gguf.ts";

const METADATA = {
  "general.architecture": "llama",
  "general.name": "Größe 😀",
  "llama.block_count": 3,
  "llama.epsilon": 0.5,
  "tokenizer.add": true,
  "tokenizer.tokens": ["a", "", "ż"],
  "tokenizer.types": [1, -2, 3],
};

const float32 = (name: string, dims: readonly number[]): WritableTensor => ({
  name,
  dims,
  data: Float32Array.from({ length: dims.reduce((size, dim) => size * dim, 1) }, (_, index) => index - 3.5),
});

const SOUND = writeGguf({ metadata: METADATA, tensors: [float32("a", [5, 3]), float32("b", [2])] });
const HEADER_BYTES = SOUND.length - 96;
const LAST_NUMBER_END = SOUND.length - 24;

/** Magic number, version, two counts, and the key with its length precede the type of its value. */
const ONE_ENTRY = writeGguf({ metadata: { key: "value" }, tensors: [] });
const ONE_ENTRY_TYPE = 4 + 4 + 8 + 8 + 8 + 3;

/** One metadata value of arrays nested `depth` deep, the innermost empty. */
const nestedArrays = (depth: number): Uint8Array => {
  const bytes = new Uint8Array(ONE_ENTRY_TYPE + 4 + 12 * depth);
  bytes.set(ONE_ENTRY.subarray(0, ONE_ENTRY_TYPE));
  bytes[ONE_ENTRY_TYPE] = 9;
  for (let level = 0; level < depth - 1; level++) bytes.set([9, 0, 0, 0, 1], ONE_ENTRY_TYPE + 4 + 12 * level);
  return bytes;
};

/** One metadata value: an array of `count` elements of a type, each of `bytes` zero bytes. */
const zeroArray = (type: number, count: number, bytes: number): Uint8Array => {
  const written = new Uint8Array(ONE_ENTRY_TYPE + 4 + 12 + count * bytes);
  written.set(ONE_ENTRY.subarray(0, ONE_ENTRY_TYPE));
  written[ONE_ENTRY_TYPE] = 9;
  written[ONE_ENTRY_TYPE + 4] = type;
  return withUint64(written, ONE_ENTRY_TYPE + 8, count);
};

const withUint64 = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const changed = bytes.slice();
  new DataView(changed.buffer).setBigUint64(at, BigInt(value), true);
  return changed;
};

/** Throws for reads outside of the file, which no reader may make; counts the bytes read. */
const strictSource = (bytes: Uint8Array): ByteSource & { readonly asked: () => number } => {
  let asked = 0;
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    if (offset < 0 || length < 0 || offset + length > bytes.length) throw new Error("read outside the file");
    asked += length;
    return bytes.slice(offset, offset + length);
  };
  return { sizeBytes: bytes.length, read, asked: () => asked };
};

/**
 * Opens bytes and reads their tensors. Refills may read a chunk's tail again, so the header costs up to twice the file.
 */
const opened = async (bytes: Uint8Array): Promise<GgufFile | GgufError> => {
  const source = strictSource(bytes);
  try {
    const file = await openGguf(source);
    expect(source.asked()).toBeLessThanOrEqual(2 * bytes.length);
    for (const name of file.tensors.keys()) await file.readTensor(name);
    return file;
  } catch (error) {
    if (error instanceof GgufError) return error;
    throw error;
  }
};

const codeOf = async (bytes: Uint8Array): Promise<string | undefined> => {
  const result = await opened(bytes);
  return result instanceof GgufError ? result.code : undefined;
};

describe("a sound file", () => {
  test("has the metadata and tensors written, also read as version 2", async () => {
    const tensors = [float32("a", [5, 3])];
    for (const version of [2, 3]) {
      const file = await openGguf(bufferSource(writeGguf({ metadata: METADATA, tensors, version })));
      expect(Object.fromEntries(file.metadata)).toEqual({ ...METADATA, "tokenizer.types": Int32Array.of(1, -2, 3) });
      expect(await file.readTensor("a")).toEqual(tensors[0]!.data);
    }
  });

  test("reads as @huggingface/gguf reads it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "gguf-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "x.gguf"), SOUND);
    const theirs = await huggingFaceGguf(join(folder, "x.gguf"), { allowLocalFile: true });
    const source = await openFileSource(join(folder, "x.gguf"));
    onTestFinished(() => source.close());
    const ours = await openGguf(source);
    for (const [key, value] of ours.metadata)
      expect((theirs.metadata as Record<string, unknown>)[key]).toEqual(
        ArrayBuffer.isView(value) ? Array.from(value) : value,
      );
    const places = theirs.tensorInfos.map(({ name, shape, offset }) => [
      name,
      shape.map(Number),
      Number(offset + theirs.tensorDataOffset),
    ]);
    expect([...ours.tensors.values()].map(({ name, dims, offset }) => [name, dims, offset])).toEqual(places);
  });

  test("has its numbers in typed arrays of their size in the file", async () => {
    const count = 2 ** 24 + 1; // more than a list may hold
    const value = (await openGguf(bufferSource(zeroArray(0, count, 1)))).metadata.get("key") as Uint8Array;
    expect([value.constructor, value.length, value.buffer.byteLength]).toEqual([Uint8Array, count, count]);
  });

  test("has strings that lie across the chunks it is read in", async () => {
    const tokens = Array.from({ length: 30_000 }, (_, index) => "ü".repeat(index % 23) + index);
    const source = strictSource(writeGguf({ metadata: { tokens }, tensors: [] }));
    expect((await openGguf(source)).metadata.get("tokens")).toEqual(tokens);
    expect(source.asked()).toBeLessThan(1.1 * source.sizeBytes);
  });

  test("is not read beyond its header before a tensor is asked for", async () => {
    const source = strictSource(writeGguf({ metadata: METADATA, tensors: [float32("a", [1024, 1024])] }));
    await openGguf(source);
    expect(source.asked()).toBeLessThan(source.sizeBytes / 4);
  });

  test("says which tensor or row it does not have", async () => {
    const file = await openGguf(bufferSource(SOUND));
    await expect(file.readTensor("c")).rejects.toMatchObject({ code: "GGUF_TENSOR_MISSING" });
    await expect(file.readTensorRows("a", [3])).rejects.toMatchObject({ code: "GGUF_ROW_OUT_OF_RANGE" });
  });
});

describe("a damaged file", () => {
  test("cut at any place is refused", async () => {
    for (let length = 0; length < LAST_NUMBER_END; length++)
      expect(["GGUF_TRUNCATED", "GGUF_TENSOR_OUTSIDE_FILE"], `cut at ${length}`).toContain(
        await codeOf(SOUND.subarray(0, length)),
      );
    expect(await codeOf(SOUND.subarray(0, LAST_NUMBER_END))).toBeUndefined();
  });

  lawTest.prop([fc.array(fc.tuple(fc.nat(HEADER_BYTES - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })], {
    numRuns: 2000,
  })("opens or gives a GgufError, whatever bytes of its header changed", async (changes) => {
    const bytes = SOUND.slice();
    for (const [at, value] of changes) bytes[at] = value;
    await opened(bytes);
  });

  lawTest.prop([fc.nat(HEADER_BYTES - 9), fc.constantFrom(0, 1, 255, 2 ** 31, 2 ** 32, 2 ** 40, 2 ** 53, 2 ** 63)], {
    numRuns: 500,
  })("opens or gives a GgufError, whatever count stands at a place of its header", async (at, count) => {
    await opened(withUint64(SOUND, at, count));
  });

  lawTest.prop([fc.uint8Array({ maxLength: 400 })])(
    "of random bytes behind the magic number is refused or opens",
    async (tail) => {
      await opened(Uint8Array.of(...SOUND.subarray(0, 8), ...tail));
    },
  );

  test.for([
    ["GGUF_NOT_GGUF", { bytes: new TextEncoder().encode("PK\u0003\u0004 is a zip file") }],
    ["GGUF_UNSUPPORTED_VERSION", { bytes: writeGguf({ metadata: {}, tensors: [], version: 1 }) }],
    ["GGUF_UNSUPPORTED_VERSION", { bytes: writeGguf({ metadata: {}, tensors: [], version: 0x03000000 }) }],
    [
      "GGUF_UNKNOWN_TENSOR_TYPE",
      { bytes: writeGguf({ metadata: {}, tensors: [{ ...float32("a", [2]), typeId: 16 }] }) },
    ],
    ["GGUF_TRUNCATED", { bytes: withUint64(SOUND, 8, 2 ** 40) }],
    ["GGUF_TRUNCATED", { bytes: withUint64(SOUND, 16, 2 ** 40) }],
    ["GGUF_INVALID", { bytes: withUint64(SOUND, 8, 2 ** 60) }],
    ["GGUF_INVALID", { bytes: writeGguf({ metadata: { "general.alignment": 0 }, tensors: [] }) }],
    ["GGUF_INVALID", { bytes: nestedArrays(5) }],
    ["GGUF_UNKNOWN_VALUE_TYPE", { bytes: ONE_ENTRY.map((byte, at) => (at === ONE_ENTRY_TYPE ? 13 : byte)) }],
    ["GGUF_DUPLICATE_TENSOR", { bytes: writeGguf({ metadata: {}, tensors: [float32("a", [2]), float32("a", [2])] }) }],
    [
      "GGUF_DIMENSIONS",
      { bytes: writeGguf({ metadata: {}, tensors: [{ ...float32("a", [2]), dims: [2 ** 40, 2 ** 40] }] }) },
    ],
    ["GGUF_DIMENSIONS", { bytes: writeGguf({ metadata: {}, tensors: [float32("a", [])] }) }],
    ["GGUF_DIMENSIONS", { bytes: writeGguf({ metadata: {}, tensors: [float32("a", [1, 1, 1, 1, 2])] }) }],
    ["GGUF_DIMENSIONS", { bytes: writeGguf({ metadata: {}, tensors: [float32("a", [4, 0])] }) }],
    [
      "GGUF_TENSOR_OUTSIDE_FILE",
      { bytes: writeGguf({ metadata: {}, tensors: [{ ...float32("a", [2]), dims: [2 ** 20] }] }) },
    ],
    ["GGUF_INVALID", { bytes: writeGguf({ metadata: { "general.alignment": 48 }, tensors: [] }) }],
    ["GGUF_TRUNCATED", { bytes: new Uint8Array(0) }],
  ] as const)("%s (%#)", async ([code, { bytes }]) => {
    expect(await codeOf(bytes)).toBe(code);
  });

  const placed = (name: string, offset: number): WritableTensor => ({ ...float32(name, [16]), offset });

  test.for([
    ["GGUF_TENSOR_OVERLAP", [placed("a", 0), placed("b", 32)], /tensor b to start after a, which ends/],
    ["GGUF_TENSOR_OVERLAP", [placed("a", 64), placed("b", 0), placed("c", 0)], /tensor c to start after b/],
    [
      "GGUF_TENSOR_MISALIGNED",
      [placed("a", 0), placed("b", 80)],
      /tensor b to start at a multiple of 32 bytes, got 80/,
    ],
  ] as const)("%s (%#)", async ([code, tensors, message]) => {
    const error = await opened(writeGguf({ metadata: {}, tensors }));
    expect(error).toMatchObject({ code, message: expect.stringMatching(message) as unknown });
  });

  test("with a metadata key twice names the key", async () => {
    const bytes = writeGguf({ metadata: { "llama.block_count": 1, "llama.block_counu": 2 }, tensors: [] });
    bytes[bytes.lastIndexOf("u".charCodeAt(0))] = "t".charCodeAt(0);
    expect(await opened(bytes)).toMatchObject({
      code: "GGUF_DUPLICATE_KEY",
      message: expect.stringContaining("llama.block_count twice") as unknown,
    });
  });

  const safetensors = `${String.fromCharCode(16, 0, 0, 0, 0, 0, 0, 0)}{"__metadata__":{}}`;
  test.for([
    ["version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 123\n", /a Git LFS pointer.*git lfs pull/],
    ["<!DOCTYPE html><html>", /a web page; download the file itself/],
    ["\n <HTML>", /a web page/],
    ["PK\u0003\u0004", /zip archive/],
    [safetensors, /safetensors file; convert the model to GGUF/],
    ["tjgg\u0001", /older format/],
    ['{"version":1}', /a JSON file/],
    ["hello", /starts with "hell"; give a \.gguf model file/],
    ["\u0001\u0002\u0003\u0004", /starts with bytes 01 02 03 04;/],
  ] as const)("that is another kind of file says which: %j", async ([start, message]) => {
    const error = await opened(Uint8Array.from(start, (character) => character.charCodeAt(0)));
    expect(error).toMatchObject({ code: "GGUF_NOT_GGUF", message: expect.stringMatching(message) as unknown });
  });

  test.for([
    ["nested arrays", zeroArray(9, 2 ** 10 + 1, 12)],
    ["booleans", zeroArray(7, 2 ** 24 + 1, 1)],
  ] as const)("with more %s than a list may have is refused", async ([, bytes]) => {
    await expect(openGguf(bufferSource(bytes))).rejects.toMatchObject({ code: "GGUF_TOO_MANY" });
  });

  test("may nest arrays four deep", async () => {
    const file = await openGguf(bufferSource(nestedArrays(4)));
    expect(file.metadata.get("key")).toEqual([[[new Uint8Array(0)]]]);
  });

  test.for([
    [16, "IQ2_XXS"],
    [17, "IQ2_XS"],
    [18, "IQ3_XXS"],
    [19, "IQ1_S"],
    [21, "IQ3_S"],
    [22, "IQ2_S"],
    [29, "IQ1_M"],
    [34, "TQ1_0"],
    [35, "TQ2_0"],
    [40, "NVFP4"],
    [99, "the unknown type 99"],
  ] as const)("names the tensor of the unsupported type %d, the type %s and types to use", async ([typeId, name]) => {
    const tensor = { ...float32("blk.0.ffn_up.weight", [256]), typeId };
    const error = await opened(writeGguf({ metadata: {}, tensors: [tensor] }));
    expect(error).toMatchObject({
      code: "GGUF_UNKNOWN_TENSOR_TYPE",
      message: expect.stringMatching(
        new RegExp(`blk\\.0\\.ffn_up\\.weight.* Q4_K.* IQ4_XS.*, got ${name}; use a model`, "u"),
      ) as unknown,
    });
  });

  test.for(Object.entries(TENSOR_TYPES).filter(([, { blockSize }]) => blockSize > 1))(
    "of type %d needs rows of whole blocks, all in the file",
    async ([typeId, { name, blockSize, blockBytes }]) => {
      const withRows = (width: number): Uint8Array => {
        const data = new Uint8Array((2 * width * blockBytes) / blockSize);
        return writeGguf({ metadata: {}, tensors: [{ name: "a", dims: [width, 2], typeId: Number(typeId), data }] });
      };
      // Two rows of one and a half blocks are a whole number of blocks.
      expect(await opened(withRows(1.5 * blockSize))).toMatchObject({
        code: "GGUF_DIMENSIONS",
        message: expect.stringContaining(`whole blocks of ${blockSize} for tensor a of type ${name}`) as unknown,
      });
      const sound = withRows(blockSize);
      const padding = -(2 * blockBytes) & 31;
      expect(await codeOf(sound.subarray(0, sound.length - padding))).toBeUndefined();
      expect(await codeOf(sound.subarray(0, sound.length - padding - 1))).toBe("GGUF_TENSOR_OUTSIDE_FILE");
    },
  );
});
