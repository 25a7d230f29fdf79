import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  readdirSync,
  ftruncateSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fc, test as lawTest } from "@fast-check/vitest";
import { ggufAllShards } from "@huggingface/gguf";
import { describe, expect, onTestFinished, test } from "vitest";
import { blobSource } from "./blob-source.ts";
import { bufferSource } from "./byte-source.ts";
import { openFileSource } from "./file-source.ts";
import { type GgufFile, openGguf } from "./gguf.ts";
import { openGgufFile } from "./open-gguf-file.ts";
import { openGgufParts, partNames } from "./split-gguf.ts";
import { splitGguf } from "./test-support/split-gguf.ts";
import { tinyContents } from "./test-support/tiny-model.ts";
import { writeGguf } from "./test-support/write-gguf.ts";

const SIZES = { layers: 2, hiddenSize: 32, heads: 2, kvHeads: 1, feedForward: 32, vocabulary: 264, seed: 3 };
const CONTENTS = tinyContents({ ...SIZES, architecture: "llama", tied: true, matrixTypes: [8, 0] });
const WHOLE = writeGguf(CONTENTS);
const PARTS = splitGguf(CONTENTS, [4, 0, 9, 1]);
const NAMES = partNames("Größe 模型 q4-00003-of-00004.gguf")!;

const named = (parts: readonly Uint8Array[]): { sizeBytes: number; read: never; name: string }[] =>
  parts.map((bytes, index) => ({ ...bufferSource(bytes), name: NAMES[index] })) as never;

/** A new folder with these files. */
const folderOf = (files: Readonly<Record<string, Uint8Array>>): string => {
  const folder = join(mkdtempSync(join(tmpdir(), "kvtuner split ")), "größe 模型");
  mkdirSync(folder);
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
  return folder;
};

const partFiles = (parts: readonly Uint8Array[] = PARTS): Record<string, Uint8Array> =>
  Object.fromEntries(parts.map((bytes, index) => [NAMES[index]!, bytes]));

const digest = (numbers: ArrayBufferView): string =>
  createHash("sha256")
    .update(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength))
    .digest("hex");

/** All that a decoder can read of a file, except for the tensors' places. */
const contentsOf = async (file: GgufFile): Promise<unknown> => {
  const read = [...file.tensors].map(async ([name, { offset: _, ...tensor }]) => [
    tensor,
    digest(await file.rawTensor(name)),
    digest(await file.readTensor(name)),
    digest(await file.readTensorRows(name, [0])),
    (await file.readTensorBlocks(name))?.blockSize,
  ]);
  return [file.metadata, await Promise.all(read)];
};

const whole = await contentsOf(await openGguf(bufferSource(WHOLE)));

/** Open files of this process; none where the system does not list them. */
const openFiles = (): readonly string[] => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd") : []);

describe("the parts of a split model", () => {
  lawTest.prop([fc.array(fc.nat(5), { minLength: 2, maxLength: 5 }), fc.integer()], { numRuns: 20 })(
    "are the whole model, in whatever order they are given",
    async (sizes, seed) => {
      const parts = splitGguf(CONTENTS, sizes);
      const shuffled = parts
        .map((part, index) => [Math.sin(seed + index), part] as const)
        .toSorted(([one], [other]) => one - other)
        .map(([, part]) => blobSource(new Blob([Uint8Array.from(part)])));
      expect(await contentsOf(await openGgufParts(shuffled))).toEqual(whole);
    },
  );

  test("are found from the path of any of them, beside other files", async () => {
    const folder = folderOf({ ...partFiles(), "Größe 模型 q4-00001-of-00003.gguf": Uint8Array.of(1) });
    for (const name of NAMES) {
      const { gguf, paths, close } = await openGgufFile(join(folder, name));
      onTestFinished(close);
      expect(paths).toEqual(NAMES.map((part) => join(folder, part)));
      expect(await contentsOf(gguf)).toEqual(whole);
    }
  });

  test("have the tensors that @huggingface/gguf finds", async () => {
    const folder = folderOf(
      Object.fromEntries(PARTS.map((bytes, index) => [`m-0000${index + 1}-of-00004.gguf`, bytes])),
    );
    const path = join(folder, "m-00001-of-00004.gguf");
    const { shards } = await ggufAllShards(path, { allowLocalFile: true });
    const { gguf, close } = await openGgufFile(path);
    onTestFinished(close);
    const theirs = shards.flatMap(({ tensorInfos, tensorDataOffset }) =>
      tensorInfos.map(({ name, shape, offset }) => [name, shape.map(Number), Number(offset + tensorDataOffset)]),
    );
    expect([...gguf.tensors.values()].map(({ name, dims, offset }) => [name, dims, offset])).toEqual(theirs);
  });

  test("of a whole model are its file, whatever it is called", async () => {
    const folder = folderOf({ "x-00001-of-00009.gguf": WHOLE });
    const { paths, close } = await openGgufFile(join(folder, "x-00001-of-00009.gguf"));
    onTestFinished(close);
    expect(paths).toHaveLength(1);
  });
});

describe("parts that do not make a model", () => {
  const moved = splitGguf(CONTENTS, [4, 1, 8, 1]);
  const shorter = splitGguf({ ...CONTENTS, tensors: CONTENTS.tensors.slice(1) }, [4, 0, 9, 1]);
  const without = (index: number): Uint8Array[] => PARTS.with(index, new Uint8Array(0));

  test.each([
    ["a part of another split", PARTS.with(1, splitGguf(CONTENTS, [4, 1])[1]!), "GGUF_PART_FOREIGN", /part 2 of 2/],
    ["a part twice", PARTS.with(3, PARTS[1]!), "GGUF_PART_FOREIGN", /00004.* a second part 2, besides .*00002/],
    ["a whole model among them", PARTS.with(2, WHOLE), "GGUF_PART_FOREIGN", /00003.*got part 1 of 1/],
    ["another count of tensors", PARTS.with(2, shorter[2]!), "GGUF_PART_FOREIGN", /00003.*split\.tensors\.count/],
    [
      "another model's name",
      PARTS.with(2, writeGguf({ metadata: { "split.no": 2, "split.count": 4, "general.name": "Other" }, tensors: [] })),
      "GGUF_PART_FOREIGN",
      /00003.*general\.name is Other/,
    ],
    ["a tensor twice", PARTS.with(1, moved[1]!), "GGUF_PART_FOREIGN", /00003.* again/],
    ["a tensor missing", PARTS.with(2, moved[2]!), "GGUF_PART_FOREIGN", /tensors in the parts.* got .*8 in .*00003/],
    ["a damaged part", without(2), "GGUF_TRUNCATED", /^Größe 模型 q4-00003-of-00004\.gguf: /],
    [
      "a part missing",
      [...PARTS.slice(0, 2), PARTS[3]!],
      "GGUF_PART_MISSING",
      /all 4 parts.*no .*00003-of-00004\.gguf;/,
    ],
    ["no part", [], "GGUF_PART_MISSING", /at least one/],
    [
      "an impossible part",
      [PARTS[0]!, writeGguf({ metadata: { "split.no": 4, "split.count": 4 }, tensors: [] })],
      "GGUF_INVALID",
      /got 4 and 4/,
    ],
    [
      "impossibly many parts",
      [writeGguf({ metadata: { "split.count": 1e9 }, tensors: [] })],
      "GGUF_INVALID",
      /1000000000/,
    ],
  ] as [string, Uint8Array[], string, RegExp][])("%s", async (_, parts, code, message) => {
    await expect(openGgufParts(named(parts))).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });

  test("missing files are named, and nothing stays open", async () => {
    const folder = folderOf(partFiles());
    rmSync(join(folder, NAMES[2]!));
    const message = expect.stringContaining(`no ${join(folder, NAMES[2]!)} (ENOENT); download`) as unknown;
    const open = openFiles().length;
    await expect(openGgufFile(join(folder, NAMES[3]!))).rejects.toMatchObject({ code: "GGUF_PART_MISSING", message });
    expect(openFiles()).toHaveLength(open);
  });

  test("a long list of missing files is cut", async () => {
    const folder = folderOf({
      "x-00002-of-00900.gguf": writeGguf({ metadata: { "split.no": 1, "split.count": 900 }, tensors: [] }),
    });
    const message = expect.stringMatching(/00001-of-00900.*00005-of-00900.* and 895 more;/) as unknown;
    await expect(openGgufFile(join(folder, "x-00002-of-00900.gguf"))).rejects.toMatchObject({ message });
  });

  test("a renamed part says how it must be named", async () => {
    const folder = folderOf({ "model.gguf": PARTS[1]! });
    await expect(openGgufFile(join(folder, "model.gguf"))).rejects.toMatchObject({
      code: "GGUF_PART_NAME",
      message: expect.stringMatching(/part 2 of 4 .* end with -00002-of-00004\.gguf, got model\.gguf/) as unknown,
    });
  });
});

test("a tensor beyond 4 GiB is read without the bytes before it", async () => {
  const place = 5 * 2 ** 30;
  const data = Float32Array.of(1, 2, 3, 4);
  const tensors = [{ name: "far", dims: [2, 2], data, offset: place }];
  const header = writeGguf({ metadata: {}, tensors });
  const headerBytes = header.length - 32;
  const folder = folderOf({ "far.gguf": header.subarray(0, headerBytes) });
  const file = openSync(join(folder, "far.gguf"), "r+");
  ftruncateSync(file, headerBytes + place + 16);
  writeSync(file, data, 0, 16, headerBytes + place);
  closeSync(file);
  const source = await openFileSource(join(folder, "far.gguf"));
  onTestFinished(() => source.close());
  let bytes = 0;
  const counted = {
    ...source,
    read: async (offset: number, length: number) => {
      bytes += length;
      return source.read(offset, length);
    },
  };
  const gguf = await openGguf(counted);
  expect(gguf.tensors.get("far")?.offset).toBeGreaterThan(2 ** 32);
  expect(await gguf.readTensor("far")).toEqual(data);
  expect(await gguf.readTensorRows("far", [1])).toEqual(data.subarray(2));
  expect(bytes).toBeLessThan(2 ** 20);
});
