/** A temporary file of float32 numbers. The caller of an evaluator decides where it is. */
export interface SpillFile {
  /** @param offset in bytes; writing beyond the end makes the file longer */
  write(numbers: Float32Array, offset: number): Promise<void>;
  /** Fills `numbers` from `offset` on, in bytes. */
  read(numbers: Float32Array, offset: number): Promise<void>;
  /** Closes the file and deletes it. */
  dispose(): Promise<void>;
}

/** Arrays in an {@link ActivationStore}. */
export interface Held {
  /** The arrays: the same ones, or read back. Not to be changed. */
  read(): Promise<readonly Float32Array[]>;
  /** Frees their place. */
  release(): void;
}

/** Holds arrays until they are released: in memory up to a limit, beyond it in a spill file. */
export interface ActivationStore {
  /** Bytes that it can hold. */
  readonly capacityBytes: number;
  /** Takes over some arrays. */
  hold(arrays: readonly Float32Array[]): Promise<Held>;
  /** Deletes the spill file. */
  dispose(): Promise<void>;
}

/** Limits of a store. */
export interface StoreOptions {
  /** Bytes held in memory. Without `openSpill` it is a target that {@link ActivationStore.hold} may exceed. */
  readonly memoryBytes: number;
  /** Opens the file for the rest, when the memory is full for the first time. */
  readonly openSpill?: (() => Promise<SpillFile>) | undefined;
}

/** Makes an empty store. */
export const createActivationStore = ({ memoryBytes, openSpill }: StoreOptions): ActivationStore => {
  let usedBytes = 0;
  let spill: Promise<Spill> | undefined;
  const keep = (arrays: readonly Float32Array[], bytes: number): Held => {
    usedBytes += bytes;
    return { read: async () => arrays, release: once(() => (usedBytes -= bytes)) };
  };
  return {
    capacityBytes: openSpill ? Infinity : memoryBytes,
    hold: async (arrays) => {
      const bytes = arrays.reduce((sum, { byteLength }) => sum + byteLength, 0);
      if (openSpill === undefined || usedBytes + bytes <= memoryBytes) return keep(arrays, bytes);
      spill ??= openSpill().then(createSpill);
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
        read: () => held.read(),
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

interface Spill {
  hold(arrays: readonly Float32Array[], bytes: number): Promise<Held>;
  dispose(): Promise<void>;
}

/** Places of released arrays are used again for others of the same size: most states have one size. */
const createSpill = (file: SpillFile): Spill => {
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
      return {
        read: async () => {
          const copies = lengths.map((length) => new Float32Array(length));
          await eachAt(copies, start, (array, offset) => file.read(array, offset));
          return copies;
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
