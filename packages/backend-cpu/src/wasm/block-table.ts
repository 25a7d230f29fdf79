import type { Arena } from "./arena.ts";

/** Pointers to blocks of one size, by number, as the kernels read them; 0 for a missing block. */
export class BlockTable {
  readonly #arena: Arena;
  readonly #blockBytes: number;
  readonly #blocks: number[] = [];
  #address: number;
  #capacity = 16;

  constructor(arena: Arena, blockBytes: number) {
    this.#arena = arena;
    this.#blockBytes = blockBytes;
    this.#address = arena.allocate(4 * this.#capacity);
  }

  /** Address of the pointers; changes as the table grows. */
  get address(): number {
    return this.#address;
  }

  /** Address of a block; 0 if it is missing. */
  block(index: number): number {
    return this.#blocks[index] ?? 0;
  }

  /** Allocates the missing blocks among `first .. end - 1`, and returns their numbers. */
  fill(first: number, end: number): number[] {
    if (end > this.#capacity) this.#enlarge(end);
    const added: number[] = [];
    for (let index = first; index < end; index++) {
      if (this.block(index) !== 0) continue;
      this.#write(index, this.#arena.allocate(this.#blockBytes));
      added.push(index);
    }
    return added;
  }

  /** Frees the present blocks among `first .. end - 1`. */
  clear(first: number, end: number = this.#blocks.length): void {
    for (let index = first; index < Math.min(end, this.#blocks.length); index++) this.#remove(index);
  }

  #remove(index: number): void {
    const address = this.block(index);
    if (address === 0) return;
    this.#arena.free(address, this.#blockBytes);
    this.#write(index, 0);
  }

  #write(index: number, address: number): void {
    while (this.#blocks.length < index) this.#blocks.push(0);
    this.#blocks[index] = address;
    this.#arena.words[this.#address / 4 + index] = address;
  }

  #enlarge(end: number): void {
    const capacity = Math.max(end, 2 * this.#capacity);
    const address = this.#arena.allocate(4 * capacity);
    this.#arena.words.set(this.#blocks, address / 4);
    this.#arena.free(this.#address, 4 * this.#capacity);
    this.#address = address;
    this.#capacity = capacity;
  }
}
