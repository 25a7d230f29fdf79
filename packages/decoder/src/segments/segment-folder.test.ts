import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, expect, test } from "vitest";
import { FloatAttention } from "../attention/float-attention.ts";
import type { Decoder } from "../decoder.ts";
import { forward } from "../forward.ts";
import { bufferSource } from "../gguf/byte-source.ts";
import { type GgufFile, openGguf } from "../gguf/gguf.ts";
import { tinyModel } from "../gguf/test-support/tiny-model.ts";
import { loadDecoder, type LoadOptions } from "../load-decoder.ts";
import type { CreateSession } from "../session.ts";
import { segmentFolder } from "./segment-folder.ts";

const file = await openGguf(
  bufferSource(
    tinyModel({
      architecture: "qwen2",
      layers: 3,
      hiddenSize: 64,
      heads: 4,
      kvHeads: 2,
      feedForward: 96,
      vocabulary: 260,
      seed: 5,
      tied: true,
      matrixTypes: [3, 8, 6, 2],
    }),
  ),
);
const ids = Array.from({ length: 12 }, (_, index) => (index * 37 + 11) % 260);
/** Two pieces of the head: 260 rows of 64 numbers. */
const MAX_HEAD_BYTES = 4 * 64 * 130;
const NAMES = ["head-0", "head-1", "segment-0", "segment-1", "segment-2", "segment-3"];

const folders: string[] = [];
const newFolder = (): string => {
  folders.push(mkdtempSync(join(tmpdir(), "kvtuner-segments-")));
  return join(folders.at(-1)!, "key");
};
afterAll(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

/** Compiles, and counts the sessions that are open. */
const counting = (): { readonly create: CreateSession<Uint8Array | string>; readonly open: () => number } => {
  let open = 0;
  const create: CreateSession<Uint8Array | string> = async (model) => {
    const session = await InferenceSession.create(model as string);
    open++;
    const release = session.release.bind(session);
    session.release = async () => {
      open--;
      await release();
    };
    return session;
  };
  return { create, open: () => open };
};

const logitsOf = async (decoder: Decoder): Promise<Float32Array> => {
  const attention = new FloatAttention(decoder.shape, decoder.attention);
  const positions = ids.map((_, position) => position);
  const residual = await forward(decoder, ids, positions, attention);
  return (await decoder.head(residual)).data as Float32Array;
};

const run = async (options: Partial<LoadOptions>, source: GgufFile = file): Promise<Float32Array> => {
  const decoder = await loadDecoder(source, {
    createSession: counting().create,
    maxHeadBytes: MAX_HEAD_BYTES,
    ...options,
  });
  const logits = await logitsOf(decoder);
  await decoder.dispose();
  return logits;
};

/** A source that counts how many weights are read. */
const watched = (): { readonly source: GgufFile; readonly reads: () => number } => {
  let reads = 0;
  return {
    reads: () => reads,
    source: {
      ...file,
      readTensor: async (name) => (reads++, file.readTensor(name)),
      readTensorBlocks: async (name, from, to) => (reads++, file.readTensorBlocks(name, from, to)),
    },
  };
};

test.each(["float32", "stored", "stored-int8"] as const)(
  "segments in files give the logits of those in memory, and a second load reads no weights, as %s",
  async (weights) => {
    const { create, open } = counting();
    const expected = await run({ weights });
    const segmentFiles = segmentFolder(newFolder(), create);
    expect(await run({ weights, segmentFiles })).toEqual(expected);
    const { source, reads } = watched();
    expect(await run({ weights, segmentFiles }, source)).toEqual(expected);
    expect(reads()).toBe(0);
    expect(open()).toBe(0);
  },
);

test.each([1, 3])("with %i resident segments, no more are open at a time", async (residentSegments) => {
  const { create, open } = counting();
  const most: number[] = [];
  const watching: CreateSession<string> = async (model, options) => {
    const session = await create(model, options);
    most.push(open());
    return session;
  };
  const segmentFiles = segmentFolder(newFolder(), watching);
  const decoder = await loadDecoder(file, {
    createSession: counting().create,
    maxHeadBytes: MAX_HEAD_BYTES,
    segmentFiles,
    residentSegments,
  });
  expect(open()).toBe(0);
  const expected = await run({});
  expect(await logitsOf(decoder)).toEqual(expected);
  expect(await logitsOf(decoder)).toEqual(expected);
  expect(Math.max(...most)).toBe(residentSegments);
  await Promise.all([logitsOf(decoder), logitsOf(decoder)]);
  await decoder.dispose();
  expect(open()).toBe(0);
});

const DAMAGES: Readonly<Record<string, (segment: string) => void>> = {
  "without weights": (segment) => rmSync(join(segment, "weights.bin")),
  "with weights cut short": (segment) => truncateSync(join(segment, "weights.bin"), 100),
  "with a longer model": (segment) => appendFileSync(join(segment, "model.onnx"), "x"),
  "without a record": (segment) => rmSync(join(segment, "files.json")),
  "with a record that is no JSON": (segment) => writeFileSync(join(segment, "files.json"), "{"),
  "that is an empty folder": (segment) => {
    rmSync(segment, { recursive: true });
    mkdirSync(segment);
  },
};

test.each(Object.entries(DAMAGES))("a segment %s is written again, and no other", async (_, damage) => {
  const folder = newFolder();
  const segmentFiles = segmentFolder(folder, counting().create);
  const expected = await run({ segmentFiles });
  damage(join(folder, "segment-2"));
  const written: string[] = [];
  await run({
    segmentFiles: {
      ...segmentFiles,
      write: async (name, build) => {
        await segmentFiles.write(name, async () => (written.push(name), build()));
      },
    },
  });
  expect(written).toEqual(["segment-2"]);
  expect(await run({ segmentFiles })).toEqual(expected);
  expect(readdirSync(folder).toSorted()).toEqual(NAMES);
});

test("a build that fails leaves the segments before it and nothing else", async () => {
  const folder = newFolder();
  const segmentFiles = segmentFolder(folder, counting().create);
  const broken: GgufFile = {
    ...file,
    readTensor: async (name) => {
      if (name.startsWith("blk.1.ffn")) throw new Error("cut");
      return file.readTensor(name);
    },
  };
  await expect(run({ segmentFiles }, broken)).rejects.toThrow("cut");
  expect(readdirSync(folder).toSorted()).toEqual(["segment-0", "segment-1"]);
});

test("removes what a killed process left an hour ago, whatever its id, and nothing that is still written", async () => {
  const folder = newFolder();
  const [fresh, growing, left] = [`writing-${2 ** 30}-abc`, "writing-def", `writing-${process.pid}-ghi`] as const;
  for (const name of [fresh, growing, left]) {
    mkdirSync(join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, "weights.bin"), "");
  }
  const longAgo = Date.now() / 1000 - 3700;
  for (const path of [growing, left, join(left, "weights.bin")]) utimesSync(join(folder, path), longAgo, longAgo);
  await run({ segmentFiles: segmentFolder(folder, counting().create) });
  expect([fresh, growing, left].filter((name) => existsSync(join(folder, name)))).toEqual([fresh, growing]);
});

test("a folder that cannot be written is an error with its path, and nothing is open", async () => {
  const { create, open } = counting();
  const blocker = join(newFolder(), "..", "file");
  writeFileSync(blocker, "");
  await expect(run({ segmentFiles: segmentFolder(join(blocker, "key"), create) })).rejects.toMatchObject({
    code: "SEGMENTS_WRITE",
    message: expect.stringMatching(/key failed: ENOTDIR.*; check that this user can write there/) as unknown,
  });
  expect(open()).toBe(0);
});

test("two loads at once into one folder both work", async () => {
  const folder = newFolder();
  const segmentFiles = segmentFolder(folder, counting().create);
  const [one, other] = await Promise.all([run({ segmentFiles }), run({ segmentFiles })]);
  expect(one).toEqual(other);
  expect(readdirSync(folder).toSorted()).toEqual(NAMES);
});

test("a model that cannot be compiled releases the segments opened before it", async () => {
  const { create, open } = counting();
  const failing: CreateSession<string> = async (model, options) => {
    if (model.includes("segment-1")) throw new Error("cannot compile");
    return create(model, options);
  };
  await expect(run({ segmentFiles: segmentFolder(newFolder(), failing) })).rejects.toThrow("cannot compile");
  expect(open()).toBe(0);
});
