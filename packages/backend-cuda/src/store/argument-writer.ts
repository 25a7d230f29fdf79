/** The struct that a kernel takes, written field by field: little-endian, each field at a multiple of its size. */
export class ArgumentWriter {
  readonly #view = new DataView(new ArrayBuffer(512));
  #sizeBytes = 0;

  /** An address, 8 bytes. */
  address(address: number): this {
    this.#view.setBigUint64(this.#at(8), BigInt(address), true);
    return this;
  }

  /** Integers of 4 bytes each. */
  integers(...numbers: readonly number[]): this {
    for (const number of numbers) this.#view.setInt32(this.#at(4), number, true);
    return this;
  }

  /** A float32. */
  float(number: number): this {
    this.#view.setFloat32(this.#at(4), number, true);
    return this;
  }

  /** Booleans as integers. */
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
