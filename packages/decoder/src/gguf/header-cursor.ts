import type { ByteSource } from "./byte-source.ts";
import { GgufError } from "./gguf-error.ts";

const CHUNK_BYTES = 1 << 18;
/** Far longer than any string in use, yet small enough for memory. */
const MAX_STRING_BYTES = 2 ** 26;
/** Keeps U+FEFF, which is a token of some vocabularies. */
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Reads a file from the start, chunk by chunk, and never past its end. */
export class HeaderCursor {
  readonly #source: ByteSource;
  #buffer: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #bufferStart = 0;
  #position = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#source.sizeBytes - this.#position;
  }

  /** A view of the next `length` bytes. Checks the file's size before allocating. */
  async take(length: number, what: string): Promise<DataView> {
    if (length > this.remaining)
      throw new GgufError(
        "GGUF_TRUNCATED",
        `expected ${length} more bytes for ${what} at byte ${this.#position}, got ${this.remaining}; the file is truncated or damaged; download it again`,
      );
    if (this.#position + length > this.#bufferStart + this.#buffer.length) await this.#fill(length);
    const start = this.#position - this.#bufferStart;
    this.#position += length;
    return new DataView(this.#buffer.buffer, this.#buffer.byteOffset + start, length);
  }

  async uint32(what: string): Promise<number> {
    return (await this.take(4, what)).getUint32(0, true);
  }

  /** A 64-bit count; throws beyond the safe integers. */
  async count(what: string): Promise<number> {
    const value = (await this.take(8, what)).getBigUint64(0, true);
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw new GgufError(
      "GGUF_INVALID",
      `expected a count that fits the file for ${what}, got ${value}; the file is damaged`,
    );
  }

  /** A count of items of at least `bytesEach` bytes, checked against the rest of the file and a limit. */
  async boundedCount(what: string, bytesEach: number, limit: number): Promise<number> {
    const count = await this.count(what);
    if (count * bytesEach > this.remaining)
      throw new GgufError(
        "GGUF_TRUNCATED",
        `expected at most ${Math.floor(this.remaining / bytesEach)} for ${what} by the file's size, got ${count}; the file is truncated or damaged`,
      );
    if (count <= limit) return count;
    throw new GgufError("GGUF_TOO_MANY", `expected at most ${limit} for ${what}, got ${count}; the file is damaged`);
  }

  async string(what: string): Promise<string> {
    const length = await this.boundedCount(`the length of ${what}`, 1, MAX_STRING_BYTES);
    const view = await this.take(length, what);
    return DECODER.decode(new Uint8Array(view.buffer as ArrayBuffer, view.byteOffset, length));
  }

  /**
   * The next string if it is fully buffered, otherwise undefined; {@link string} reads any. A vocabulary has up to a
   * million strings, and awaiting each would be slow.
   */
  bufferedString(): string | undefined {
    const start = this.#position - this.#bufferStart;
    const left = this.#buffer.length - start - 8;
    if (left < 0) return undefined;
    const length = this.#view.getUint32(start, true);
    if (this.#view.getUint32(start + 4, true) !== 0 || length > Math.min(left, MAX_STRING_BYTES)) return undefined;
    this.#position += 8 + length;
    return length === 0 ? "" : DECODER.decode(this.#buffer.subarray(start + 8, start + 8 + length));
  }

  async #fill(length: number): Promise<void> {
    const size = Math.min(this.remaining, Math.max(length, CHUNK_BYTES));
    this.#buffer = await this.#source.read(this.#position, size);
    this.#view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset, this.#buffer.length);
    this.#bufferStart = this.#position;
  }
}
