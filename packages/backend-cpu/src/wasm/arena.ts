import { OutOfMemoryError } from "@kvtuner/backend";
import type { Engine } from "./engine.ts";
import { instantiateKernels, type Kernels } from "./kernel-module.ts";

const WASM_PAGE_BYTES = 65_536;
/** WebAssembly memory has 32-bit addresses. Leaves out the last page, so that an end is an address too. */
const MAX_PAGES = 65_535;
const GROWTH_PAGES = 16;

/** Capacity of an arena. */
export const MAX_ARENA_BYTES: number = MAX_PAGES * WASM_PAGE_BYTES;

/** A WebAssembly memory, its kernels and its allocator. */
export class Arena {
  readonly kernels: Kernels;
  readonly memory: WebAssembly.Memory;
  /** Its number among the arenas of a thread pool. */
  readonly id: number;
  /** Freed blocks by size. There are few sizes, and blocks of one size are freed together. */
  readonly #free = new Map<number, number[]>();
  #next: number;
  #bytes: Uint8Array;
  #words: Uint32Array;
  #halves: Uint16Array;
  #floats: Float32Array;

  constructor(memory: WebAssembly.Memory, kernels: Kernels, id: number) {
    this.id = id;
    this.memory = memory;
    this.kernels = kernels;
    this.#next = aligned(kernels.heapBase.value as number);
    const buffer = memory.buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#floats = new Float32Array(buffer);
  }

  /** Views of the whole memory, valid until the next allocation. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }
  get words(): Uint32Array {
    return this.#words;
  }
  get halves(): Uint16Array {
    return this.#halves;
  }
  get floats(): Float32Array {
    return this.#floats;
  }

  /**
   * Address of `sizeBytes` uninitialized bytes, 64-byte aligned.
   *
   * @throws OutOfMemoryError when the memory cannot grow
   */
  allocate(sizeBytes: number): number {
    const size = aligned(sizeBytes);
    const freed = this.#free.get(size)?.pop();
    if (freed !== undefined) return freed;
    this.ensure(size);
    const address = this.#next;
    this.#next += size;
    return address;
  }

  /** Frees a block from {@link allocate} of the same size. */
  free(address: number, sizeBytes: number): void {
    const size = aligned(sizeBytes);
    const list = this.#free.get(size);
    if (list) list.push(address);
    else this.#free.set(size, [address]);
  }

  /**
   * Grows the memory so that the next allocations, `sizeBytes` bytes in total, succeed.
   *
   * @throws OutOfMemoryError when the memory cannot grow
   */
  ensure(sizeBytes: number): void {
    const missing = Math.ceil((this.#next + sizeBytes) / WASM_PAGE_BYTES) - this.#pages();
    if (missing <= 0) return;
    this.#grow(Math.max(missing, Math.min(GROWTH_PAGES, MAX_PAGES - this.#pages())));
    const buffer = this.memory.buffer;
    this.#bytes = new Uint8Array(buffer);
    this.#words = new Uint32Array(buffer);
    this.#halves = new Uint16Array(buffer);
    this.#floats = new Float32Array(buffer);
  }

  #pages(): number {
    return this.#bytes.length / WASM_PAGE_BYTES;
  }

  #grow(pages: number): void {
    try {
      this.memory.grow(pages);
    } catch (cause) {
      const had = this.#bytes.length;
      throw outOfMemory(had + pages * WASM_PAGE_BYTES, cause);
    }
  }
}

/** Bytes of a block including its padding. */
export const aligned = (sizeBytes: number): number => Math.ceil(sizeBytes / 64) * 64;

const outOfMemory = (neededBytes: number, cause: unknown): OutOfMemoryError =>
  new OutOfMemoryError(neededBytes, MAX_ARENA_BYTES, {
    what: "a WebAssembly memory (a layer must fit in one)",
    cause,
  });

/**
 * An empty arena, to add to the engine's pool.
 *
 * @throws OutOfMemoryError when the engine has no addresses left
 */
export const createArena = async ({ module, pool }: Engine): Promise<Arena> => {
  const memory = createMemory(pool !== undefined);
  return new Arena(memory, await instantiateKernels(module, memory), pool?.nextId() ?? 0);
};

const createMemory = (shared: boolean): WebAssembly.Memory => {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared });
  } catch (cause) {
    throw outOfMemory(WASM_PAGE_BYTES, cause);
  }
};
