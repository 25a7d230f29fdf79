import { fc, test as property } from "@fast-check/vitest";
import { expect, test } from "vitest";
import { withChecksum } from "../../storage/checksum.ts";
import { memoryStorage } from "../../storage/memory-storage.ts";
import type { StudyStorage } from "../../storage/storage.ts";
import { isKeptGradients, keptGradients, removeKeptGradients } from "./kept-gradients.ts";

const SIZES = { tokens: [3, 1], draws: 2, partNumbers: 5 };

type Bytes = Uint8Array<ArrayBuffer>;
type Arrays = Readonly<Record<string, Float32Array>>;

const noWarning = (message: string): never => expect.fail(message);

const keepAll = async (storage: StudyStorage, hole: number, texts: readonly Arrays[], sizes = SIZES): Promise<void> => {
  const { keep } = await keptGradients(storage, sizes, noWarning);
  for (const [text, arrays] of texts.entries()) await keep(hole, text, arrays);
};

const readAll = async (
  storage: StudyStorage,
  sizes = SIZES,
  warn: (message: string) => void = noWarning,
): Promise<readonly [number, ...Arrays[]] | undefined> => {
  const { kept } = await keptGradients(storage, sizes, warn);
  if (!kept) return undefined;
  return [kept.hole, ...(await Promise.all(sizes.tokens.map((_, text) => kept.read(text))))];
};

/** A residual one channel wide. */
const small = (hole: number): Arrays[] =>
  SIZES.tokens.map((tokens, text) => ({
    residual: Float32Array.from({ length: SIZES.draws * tokens }, (_, index) => [hole, text, Number.NaN][index % 3]!),
  }));

property.prop(
  [fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 2 }), fc.array(fc.nat(4), { maxLength: 3 })],
  { numRuns: 40 },
)("arrays of any width come back, across parts", async (tokens, widths) => {
  const texts = tokens.map((own, text) =>
    Object.fromEntries(
      widths.map((width, name) => [
        `array ${name}`,
        Float32Array.from({ length: SIZES.draws * own * width }, (_, index) => index + name + text / 2),
      ]),
    ),
  );
  const storage = memoryStorage();
  await keepAll(storage, 7, texts, { ...SIZES, tokens });
  expect(await readAll(storage, { ...SIZES, tokens })).toEqual([7, ...texts]);
});

test("a hole replaces the one before only when all texts are kept", async () => {
  const records = new Map<string, string | Bytes>();
  const storage = memoryStorage(records);
  const readKilled = (): ReturnType<typeof readAll> => readAll(memoryStorage(new Map(records)));
  const { kept, keep } = await keptGradients(storage, SIZES, noWarning);
  expect(kept).toBeUndefined();
  for (const hole of [5, 4, 3]) {
    const before = await readKilled();
    await keep(hole, 0, small(hole)[0]!);
    expect(await readKilled()).toEqual(before);
    await keep(hole, 1, small(hole)[1]!);
    expect(await readKilled()).toEqual([hole, ...small(hole)]);
  }
  await keepAll(storage, 2, small(2));
  expect(await readAll(storage)).toEqual([2, ...small(2)]);
  expect((await storage.list()).every(isKeptGradients)).toBe(true);
  await storage.write("profile.json", "{}");
  await removeKeptGradients(storage);
  expect(await storage.list()).toEqual(["profile.json"]);
});

test.each([
  ["draws", { ...SIZES, draws: 4 }],
  ["texts", { ...SIZES, tokens: [3] }],
])("what was kept of a pass of other %s is removed", async (_, sizes) => {
  const storage = memoryStorage();
  await keepAll(storage, 5, small(5));
  expect(await readAll(storage, sizes)).toBeUndefined();
  expect(await storage.list()).toEqual([]);
});

test.each<[string, string, (contents: string | Bytes) => string | Bytes | undefined, RegExp]>([
  ["a truncated part", "gradients-0-1.bin", (part) => part.slice(0, -4), /expected 12 bytes, got 8/],
  ["a flipped byte", "gradients-0-0.bin", (part) => (part as Bytes).with(9, 77), /does not match its checksum/],
  ["a missing part", "gradients-0-1.bin", () => undefined, /is missing/],
  ["a changed record", "gradients.json", (text) => (text as string).replace('"hole": 5', '"hole": 4'), /checksum/],
  ["a record of another form", "gradients.json", () => withChecksum('{"version":1}'), /at draws/],
])("%s is warned about, and all is removed", async (_, name, damage, reason) => {
  const records = new Map<string, string | Bytes>();
  const storage = memoryStorage(records);
  await keepAll(storage, 5, small(5));
  const damaged = damage(records.get(name)!);
  if (damaged === undefined) records.delete(name);
  else records.set(name, damaged);
  const warnings: string[] = [];
  expect(await readAll(storage, SIZES, (message) => void warnings.push(message))).toBeUndefined();
  expect(warnings).toEqual([expect.stringMatching(reason)]);
  expect(warnings[0]).toContain(`${name} is damaged: `);
  expect(await storage.list()).toEqual([]);
});

test.each([
  ["without a row for each draw and token", [3, 1], [5, 2]],
  ["of another width in another text", [3, 1], [6, 4]],
])("arrays %s are not used", async (_, tokens, lengths) => {
  const storage = memoryStorage();
  const texts = lengths.map((length) => ({ residual: new Float32Array(length) }));
  await keepAll(storage, 5, texts, { ...SIZES, tokens });
  const warnings: string[] = [];
  expect(await readAll(storage, { ...SIZES, tokens }, (message) => void warnings.push(message))).toBeUndefined();
  expect(warnings).toEqual([expect.stringContaining("a row for each draw and token")]);
});
