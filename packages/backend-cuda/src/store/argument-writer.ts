/** Most bytes of a launch's arguments; attention has the most. */
const SIZE_BYTES = 2560;

/** Writes a kernel's argument struct field by field: little-endian, each field aligned to its size. */
export class ArgumentWriter {
  readonly #view = new DataView(new ArrayBuffer(SIZE_BYTES));
  #sizeBytes = 0;

  /** An 8-byte address. */
  address(address: number): this {
    this.#view.setBigUint64(this.#at(8), BigInt(address), true);
    return this;
  }

  /** 4-byte integers. */
  integers(...numbers: readonly number[]): this {
    for (const number of numbers) this.#view.setInt32(this.#at(4), number, true);
    return this;
  }

  float(number: number): this {
    this.#view.setFloat32(this.#at(4), number, true);
    return this;
  }

  flags(...flags: readonly boolean[]): this {
    return this.integers(...flags.map(Number));
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, 0, this.#sizeBytes);
  }

  #at(sizeBytes: number): number {
    const start = Math.ceil(this.#sizeBytes / sizeBytes) * sizeBytes;
    this.#sizeBytes = start + sizeBytes;
    return start;
  }
}
