import { fc, test } from "@fast-check/vitest";
import { type CacheShape, layerScheme, type LayerScheme, planBytes, quantizedPrefix } from "@kvtuner/plan";
import { encodeBlock } from "@kvtuner/quantizers";
import { expect, it } from "vitest";
import type { CacheImage, HeadImage } from "./cache-image.ts";
import { checksum } from "./checksum.ts";
import { readSnapshot } from "./read-snapshot.ts";
import { writeSnapshot } from "./write-snapshot.ts";

const anyLayer: fc.Arbitrary<LayerScheme> = fc
  .record({
    mode: fc.constantFrom("per-token", "kivi", "compact"),
    pair: fc.record({ key: fc.constantFrom(2, 3, 16), value: fc.constantFrom(4, 5, 16) }),
    format: fc.constantFrom("affine", "symmetric"),
  })
  .map(({ mode, pair, format }) => {
    const layer = layerScheme(mode, pair);
    return { ...layer, value: layer.value.kind === "affine" ? { ...layer.value, format } : layer.value };
  });

const anyImage: fc.Arbitrary<CacheImage> = fc
  .record({
    layers: fc.array(anyLayer, { minLength: 1, maxLength: 2 }),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    length: fc.integer({ min: 0, max: 300 }),
  })
  .map(({ layers, kvHeads, length }) => {
    const shape = { layers: layers.length, queryHeads: kvHeads, kvHeads, headSize: 40 };
    return { shape, layers, length, tensors: layers.map((layer) => layerImage(layer, shape, length)) };
  });

const layerImage = (layer: LayerScheme, shape: CacheShape, length: number): CacheImage["tensors"][number] => {
  const heads = (tensor: "key" | "value"): HeadImage[] =>
    Array.from({ length: shape.kvHeads }, (_, head) => headImage(layer, tensor, head, shape.headSize, length));
  return { key: heads("key"), value: heads("value") };
};

const headImage = (layer: LayerScheme, tensor: "key" | "value", head: number, headSize: number, length: number) => {
  const prefix = quantizedPrefix(layer[tensor], layer, length);
  const numbers = Float32Array.from({ length: prefix * headSize }, (_, index) => Math.sin(index * (head + 2)));
  const exact = Uint16Array.from({ length: (length - prefix) * headSize }, (_, index) => index % 0x7c00);
  return { prefix: encodeBlock(numbers, prefix, headSize, layer[tensor]), exact };
};

test.prop([anyImage], { numRuns: 60 })(
  "a snapshot reads back, and takes the plan's bytes and a frame",
  async (image) => {
    const bytes = await writeSnapshot(image);
    expect(await readSnapshot(bytes, image.shape, image)).toEqual(image);
    expect(bytes.length - planBytes(image, image.length).total).toBe(48 + headerText(bytes).length);
  },
);

test.prop([anyImage], { numRuns: 5 })("a snapshot is read from the middle of a larger buffer, too", async (image) => {
  const bytes = await writeSnapshot(image);
  const held = Buffer.concat([Buffer.alloc(16, 1), bytes, Buffer.alloc(3, 1)]).subarray(16, 16 + bytes.length);
  expect(await readSnapshot(held, image.shape, image)).toEqual(image);
});

const headerText = (bytes: Uint8Array): string => {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(12, true);
  return new TextDecoder().decode(bytes.subarray(16, 16 + length));
};

const example = fc.sample(
  anyImage.filter(({ length, layers }) => length > 200 && layers.length === 2),
  { seed: 1, numRuns: 1 },
)[0]!;

it("any changed byte and any cut is detected", async () => {
  const bytes = await writeSnapshot(example);
  const places = [...Array(400).keys(), bytes.length - 40, bytes.length - 1];
  for (const place of places) {
    const damaged = bytes.slice();
    damaged[place]! ^= 1 << (place % 8);
    await expect(readSnapshot(damaged, example.shape, example)).rejects.toMatchObject({
      code: place >= 8 && place < 12 ? "SNAPSHOT_VERSION" : "SNAPSHOT_CORRUPT",
    });
  }
  for (const end of [0, 7, 15, 47, 100, bytes.length - 1])
    await expect(readSnapshot(bytes.subarray(0, end), example.shape, example)).rejects.toMatchObject({
      code: "SNAPSHOT_CORRUPT",
    });
});

it("a snapshot of another shape or plan is foreign", async () => {
  const bytes = await writeSnapshot(example);
  const { residency } = example.layers[1]!;
  const other = { ...example.layers[1]!, residency: { ...residency, sinks: residency.sinks + 1 } };
  const rejected = { code: "SNAPSHOT_FOREIGN" };
  const { shape, layers } = example;
  await expect(readSnapshot(bytes, { ...shape, headSize: 20 }, example)).rejects.toMatchObject(rejected);
  await expect(readSnapshot(bytes, shape, { shape, layers: [layers[0]!, other] })).rejects.toMatchObject(rejected);
  await expect(readSnapshot(bytes, shape, { shape, layers: [layers[0]!] })).rejects.toMatchObject(rejected);
});

/** A hostile snapshot: another header, with a checksum that fits. */
const forged = async (header: string, data: Uint8Array): Promise<Uint8Array> => {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(16 + text.length + data.length + 32);
  bytes.set((await writeSnapshot(example)).subarray(0, 12));
  new DataView(bytes.buffer).setUint32(12, text.length, true);
  bytes.set(text, 16);
  bytes.set(data, 16 + text.length);
  bytes.set(await checksum(bytes.subarray(0, -32)), bytes.length - 32);
  return bytes;
};

it("a forged header neither allocates nor passes", async () => {
  const { shape, layers } = example;
  const withLength = (length: unknown): string => JSON.stringify({ shape, layers, length });
  const headers = [
    "null",
    "{}",
    "{",
    withLength(1e9),
    withLength(Number.MAX_SAFE_INTEGER),
    withLength(-1),
    withLength("9"),
  ];
  for (const header of headers)
    await expect(readSnapshot(await forged(header, new Uint8Array(100)), shape, example)).rejects.toMatchObject({
      code: "SNAPSHOT_CORRUPT",
    });
  const infinite = new Uint8Array(planBytes(example, example.length).total).fill(0xff);
  await expect(readSnapshot(await forged(withLength(example.length), infinite), shape, example)).rejects.toThrow(
    /infinity or NaN/,
  );
});

it("an image with arrays of other sizes is not written", async () => {
  const head = { ...example.tensors[0]!.key[0]!, exact: new Uint16Array(1) };
  const tensors = [{ ...example.tensors[0]!, key: [head, ...example.tensors[0]!.key.slice(1)] }, example.tensors[1]!];
  await expect(writeSnapshot({ ...example, tensors })).rejects.toMatchObject({ code: "BACKEND_IMAGE" });
});
