const FIRST_CAPACITY_ROWS = 64;

/** Float32 rows of one width, with amortized O(1) append per row. */
export class GrowingRows {
  readonly #width: number;
  #data: Float32Array;
  #length = 0;

  constructor(width: number) {
    this.#width = width;
    this.#data = new Float32Array(FIRST_CAPACITY_ROWS * width);
  }

  get length(): number {
    return this.#length;
  }

  append(rows: Float32Array): void {
    const used = this.#length * this.#width;
    this.#reserve(used + rows.length);
    this.#data.set(rows, used);
    this.#length += rows.length / this.#width;
  }

  /** Drops the rows from `length` on. */
  truncate(length: number): void {
    this.#length = Math.min(this.#length, length);
  }

  /** Rows `from` up to `to`, as a view that is valid until the next append. */
  rows(from: number, to: number): Float32Array {
    return this.#data.subarray(from * this.#width, to * this.#width);
  }

  #reserve(size: number): void {
    if (size <= this.#data.length) return;
    const grown = new Float32Array(Math.max(size, 2 * this.#data.length));
    grown.set(this.#data);
    this.#data = grown;
  }
}
