import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { memoryStorage } from "../../storage/memory-storage.ts";
import type { StudyStorage } from "../../storage/storage.ts";
import { isKeptGradients, keptGradients, removeKeptGradients } from "./kept-gradients.ts";

const SIZES = { texts: 2, draws: 4, partNumbers: 5 };

type Arrays = Readonly<Record<string, Float32Array>>;

const keepAll = async (storage: StudyStorage, hole: number, texts: readonly Arrays[]): Promise<void> => {
  const { keep } = await keptGradients(storage, { ...SIZES, texts: texts.length });
  for (const [text, arrays] of texts.entries()) await keep(hole, text, arrays);
};

const readAll = async (storage: StudyStorage, texts: number): Promise<readonly [number, ...Arrays[]] | undefined> => {
  const { kept } = await keptGradients(storage, { ...SIZES, texts });
  if (!kept) return undefined;
  return [kept.hole, ...(await Promise.all(Array.from({ length: texts }, (_, text) => kept.read(text))))];
};

const small = (hole: number): Arrays[] => [0, 1].map((text) => ({ residual: Float32Array.of(hole, text, Number.NaN) }));

property.prop([fc.array(fc.array(fc.nat(12), { maxLength: 3 }), { minLength: 1, maxLength: 2 })], {
  numRuns: 40,
})("arrays of any length come back, across parts", async (lengths) => {
  const texts = lengths.map((own) =>
    Object.fromEntries(
      own.map((length, name) => [`array ${name}`, Float32Array.from({ length }, (_, index) => index + name)]),
    ),
  );
  const storage = memoryStorage();
  await keepAll(storage, 7, texts);
  expect(await readAll(storage, texts.length)).toEqual([7, ...texts]);
});

test("a hole replaces the one before only when all texts are kept", async () => {
  const storage = memoryStorage();
  const { kept, keep } = await keptGradients(storage, SIZES);
  expect(kept).toBeUndefined();
  for (const hole of [5, 4, 3]) {
    const before = await readAll(storage, 2);
    await keep(hole, 0, small(hole)[0]!);
    expect(await readAll(storage, 2)).toEqual(before);
    await keep(hole, 1, small(hole)[1]!);
    expect(await readAll(storage, 2)).toEqual([hole, ...small(hole)]);
  }
  await keepAll(storage, 2, small(2));
  expect(await readAll(storage, 2)).toEqual([2, ...small(2)]);
  expect((await storage.list()).every(isKeptGradients)).toBe(true);
  await storage.write("profile.json", "{}");
  await removeKeptGradients(storage);
  expect(await storage.list()).toEqual(["profile.json"]);
});

test("nothing is kept of another pass, or when a record is damaged or missing", async () => {
  const records = new Map<string, string | Uint8Array<ArrayBuffer>>();
  const storage = memoryStorage(records);
  await keepAll(storage, 5, small(5));
  expect((await keptGradients(storage, { ...SIZES, draws: 5 })).kept).toBeUndefined();
  expect((await keptGradients(storage, { ...SIZES, texts: 3 })).kept).toBeUndefined();
  const part = records.get("gradients-0-0.bin")!;
  records.delete("gradients-0-0.bin");
  expect(await readAll(storage, 2)).toBeUndefined();
  records.set("gradients-0-0.bin", part);
  expect(await readAll(storage, 2)).toBeDefined();
  records.set("gradients.json", (records.get("gradients.json") as string).replace('"hole": 5', '"hole": 4'));
  expect(await readAll(storage, 2)).toBeUndefined();
});
