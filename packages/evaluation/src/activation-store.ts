/** A temporary file of float32 numbers. The caller of an evaluator decides where it is. */
export interface SpillFile {
  /** Writes `numbers` from `offset` on, in bytes. Writing beyond the end makes the file longer. */
  write(numbers: Float32Array, offset: number): Promise<void>;
  /** Fills `numbers` from `offset` on, in bytes. */
  read(numbers: Float32Array, offset: number): Promise<void>;
  /** Closes the file and deletes it. */
  dispose(): Promise<void>;
}

/** Arrays in an {@link ActivationStore}. */
export interface Held {
  /** Passes on the arrays, the same ones or read back. They may be used until `work` is done, and must not be changed. */
  use<Result>(work: (arrays: readonly Float32Array[]) => Promise<Result>): Promise<Result>;
  /** Frees their place; not during `use`. */
  release(): void;
}

/**
 * Holds arrays until they are released: in memory up to a limit, beyond it in a spill file. Uses the memory of released arrays
 * again: new ones for every state would be garbage of hundreds of megabytes, which is freed late.
 */
export interface ActivationStore {
  /** Bytes that it can hold. */
  readonly capacityBytes: number;
  /** An array with arbitrary numbers, to be filled and then held or given back. */
  take(length: number): Float32Array;
  /** Gives back an array that is not needed. Only arrays from `take` are used again. */
  give(array: Float32Array): void;
  /** Takes over some arrays. */
  hold(arrays: readonly Float32Array[]): Promise<Held>;
  /** Deletes the spill file. */
  dispose(): Promise<void>;
}

/** Limits of a store. */
export interface StoreOptions {
  /**
   * Bytes held in memory. Without `openSpill` it is a target that {@link ActivationStore.hold} may exceed. Also the limit of the
   * free arrays that are kept to be used again.
   */
  readonly memoryBytes: number;
  /** Opens the file for the rest, when the memory is full for the first time. */
  readonly openSpill?: (() => Promise<SpillFile>) | undefined;
}

/** Makes an empty store. */
export const createActivationStore = ({ memoryBytes, openSpill }: StoreOptions): ActivationStore => {
  const pool = createPool(memoryBytes);
  let usedBytes = 0;
  let spill: Promise<Spill> | undefined;
  const keep = (arrays: readonly Float32Array[], bytes: number): Held => {
    usedBytes += bytes;
    const release = (): void => {
      usedBytes -= bytes;
      arrays.forEach(pool.give);
    };
    return { use: (work) => work(arrays), release: once(release) };
  };
  return {
    ...pool,
    capacityBytes: openSpill ? Infinity : memoryBytes,
    hold: async (arrays) => {
      const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (openSpill === undefined || usedBytes + bytes <= memoryBytes) return keep(arrays, bytes);
      spill ??= openSpill().then((file) => createSpill(file, pool));
      return (await spill).hold(arrays, bytes);
    },
    dispose: async () => {
      await (await spill?.catch(() => undefined))?.dispose();
    },
  };
};

/** The same store; `releaseAll` releases what was held through it and not released yet. */
export const storeScope = (store: ActivationStore): Pick<ActivationStore, "hold"> & { releaseAll(): void } => {
  const open = new Set<Held>();
  return {
    hold: async (arrays) => {
      const held = await store.hold(arrays);
      const own: Held = {
        use: (work) => held.use(work),
        release: () => {
          open.delete(own);
          held.release();
        },
      };
      open.add(own);
      return own;
    },
    releaseAll: () => {
      for (const held of open) held.release();
    },
  };
};

/** Passes on the first array of each of some holders. */
export const useFirst = async <Result>(
  holders: readonly Held[],
  work: (arrays: readonly Float32Array[]) => Promise<Result>,
): Promise<Result> => {
  const [first, ...others] = holders;
  if (first === undefined) return work([]);
  return first.use(([array]) => useFirst(others, (arrays) => work([array!, ...arrays])));
};

/** Arrays to use again. */
type Pool = Pick<ActivationStore, "take" | "give">;

/**
 * Keeps the newest of the arrays given back, up to `limitBytes`. Drops arrays that it did not make: every pass over a model
 * brings new ones, which no later pass takes.
 */
const createPool = (limitBytes: number): Pool => {
  const made = new WeakSet<Float32Array>();
  /** From the oldest to the newest, all together and by length. */
  const free = new Set<Float32Array>();
  const byLength = new Map<number, Set<Float32Array>>();
  let freeBytes = 0;
  const add = (array: Float32Array): void => {
    freeBytes += array.byteLength;
    free.add(array);
    byLength.set(array.length, (byLength.get(array.length) ?? new Set()).add(array));
  };
  const remove = (array: Float32Array): void => {
    freeBytes -= array.byteLength;
    free.delete(array);
    const alike = byLength.get(array.length)!;
    alike.delete(array);
    if (alike.size === 0) byLength.delete(array.length);
  };
  return {
    take: (length) => {
      const [found] = byLength.get(length) ?? [];
      if (found) remove(found);
      const array = found ?? new Float32Array(length);
      made.add(array);
      return array;
    },
    give: (array) => {
      if (!made.has(array) || array.byteLength > limitBytes) return;
      add(array);
      for (const oldest of free) {
        if (freeBytes <= limitBytes) break;
        remove(oldest);
      }
    },
  };
};

interface Spill {
  hold(arrays: readonly Float32Array[], bytes: number): Promise<Held>;
  dispose(): Promise<void>;
}

/** Places of released arrays are used again for others of the same size: most states have one size. */
const createSpill = (file: SpillFile, pool: Pool): Spill => {
  const freeBySize = new Map<number, number[]>();
  let endBytes = 0;
  const place = (bytes: number): number => {
    const free = freeBySize.get(bytes)?.pop();
    if (free !== undefined) return free;
    endBytes += bytes;
    return endBytes - bytes;
  };
  return {
    hold: async (arrays, bytes) => {
      const start = place(bytes);
      const lengths = arrays.map(({ length }) => length);
      await eachAt(arrays, start, (array, offset) => file.write(array, offset));
      arrays.forEach(pool.give);
      return {
        use: async (work) => {
          const copies = lengths.map(pool.take);
          await eachAt(copies, start, (array, offset) => file.read(array, offset));
          const result = await work(copies);
          copies.forEach(pool.give);
          return result;
        },
        release: once(() => freeBySize.set(bytes, [...(freeBySize.get(bytes) ?? []), start])),
      };
    },
    dispose: () => file.dispose(),
  };
};

/** Visits arrays that lie one after another from `start` on. */
const eachAt = async (
  arrays: readonly Float32Array[],
  start: number,
  visit: (array: Float32Array, offset: number) => Promise<void>,
): Promise<void> => {
  let offset = start;
  for (const array of arrays) {
    await visit(array, offset);
    offset += array.byteLength;
  }
};

const once = (act: () => void): (() => void) => {
  let isDone = false;
  return () => {
    if (!isDone) act();
    isDone = true;
  };
};
