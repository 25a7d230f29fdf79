import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { createActivationStore, type Held, type SpillFile, storeScope } from "./activation-store.ts";

/** A file in memory that knows its length. */
const spillInMemory = (): { file: SpillFile; bytes: () => number; isDisposed: () => boolean } => {
  const numbers: number[] = [];
  let isDisposed = false;
  const file: SpillFile = {
    write: async (part, offset) => {
      numbers.splice(offset / 4, part.length, ...part);
    },
    read: async (part, offset) => part.set(numbers.slice(offset / 4, offset / 4 + part.length)),
    dispose: async () => {
      isDisposed = true;
    },
  };
  return { file, bytes: () => 4 * numbers.length, isDisposed: () => isDisposed };
};

const contents = (held: Held): Promise<Float32Array[]> =>
  held.use(async (arrays) => arrays.map((array) => array.slice()));

const bytesOf = (some: readonly Float32Array[]): number => some.reduce((sum, { byteLength }) => sum + byteLength, 0);

const arrays = fc.array(fc.float32Array({ maxLength: 6 }), { minLength: 1, maxLength: 3 });
const steps = fc.array(fc.oneof(arrays, fc.nat(20)), { maxLength: 30 });

test.prop([steps, fc.constantFrom(0, 24, 100, 10_000)])(
  "gives back what it holds, whatever was released before, and spills only what exceeds the limit",
  async (operations, memoryBytes) => {
    const spill = spillInMemory();
    const store = createActivationStore({ memoryBytes, openSpill: async () => spill.file });
    const live: { expected: Float32Array[]; held: Held }[] = [];
    let allBytes = 0;
    for (const operation of operations) {
      if (typeof operation === "number") {
        const [gone] = live.splice(operation % Math.max(1, live.length), 1);
        gone?.held.release();
        // A second release must not free a place that is used again.
        gone?.held.release();
        continue;
      }
      allBytes += bytesOf(operation);
      // Filled in memory that was used before.
      const filled = operation.map((array) => {
        const own = store.take(array.length);
        own.set(array);
        return own;
      });
      live.push({ expected: operation, held: await store.hold(filled) });
      for (const { expected, held } of live) expect(await contents(held)).toEqual(expected);
    }
    if (allBytes <= memoryBytes) expect(spill.bytes()).toBe(0);
    if (memoryBytes === 0) expect(spill.bytes()).toBeLessThanOrEqual(allBytes);
    await store.dispose();
    expect(spill.isDisposed()).toBe(spill.bytes() > 0);
  },
);

const LONGEST = 9;
const lengths = fc.array(fc.integer({ min: 1, max: LONGEST }), { maxLength: 40 });

test.prop([lengths, lengths, fc.constantFrom(0, 40, 100, 10_000)])(
  "keeps released arrays of its own up to the limit, and none made elsewhere",
  async (ownLengths, foreignLengths, memoryBytes) => {
    const store = createActivationStore({ memoryBytes });
    const own = ownLengths.map((length) => store.take(length));
    const foreign = foreignLengths.map((length) => new Float32Array(length));
    const owned = await Promise.all(own.map((array) => store.hold([array])));
    for (const held of owned) held.release();
    for (const array of foreign) (await store.hold([array])).release();
    const taken = new Set([...own, ...foreign].map(({ length }) => store.take(length)));
    expect(foreign.filter((array) => taken.has(array))).toEqual([]);
    const kept = bytesOf(own.filter((array) => taken.has(array)));
    expect(kept).toBeLessThanOrEqual(memoryBytes);
    expect(kept).toBeGreaterThanOrEqual(Math.min(bytesOf(own), memoryBytes - 4 * LONGEST));
  },
);

test("a released place in the file is used again, and a scope releases what is left in it", async () => {
  const spill = spillInMemory();
  const store = createActivationStore({ memoryBytes: 0, openSpill: async () => spill.file });
  for (let round = 0; round < 3; round++) {
    const scope = storeScope(store);
    for (let state = 0; state < 4; state++) await scope.hold([Float32Array.of(round, state)]);
    const first = await scope.hold([new Float32Array(2)]);
    first.release();
    scope.releaseAll();
  }
  expect(spill.bytes()).toBe(5 * 8);
});

test("without a file everything stays in memory", async () => {
  const store = createActivationStore({ memoryBytes: 0 });
  const array = Float32Array.of(1, 2);
  expect(await (await store.hold([array])).use(async ([own]) => own)).toBe(array);
  expect(store.capacityBytes).toBe(0);
  await store.dispose();
});
