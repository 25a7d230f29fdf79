import type { Device, DeviceMemory } from "../device/device.ts";
import type { PagePool } from "./page-pool.ts";
import type { TokenRange } from "./tensor-layout.ts";

/** Entries of a new table. */
const FIRST_ENTRIES = 64;

/** Memory that grows without moving: pages of a fixed number of tokens, and a table of their addresses on the device. */
export class PagedMemory {
  readonly #device: Device;
  readonly #pool: PagePool;
  readonly #pageTokens: number;
  readonly #pageBytes: number;
  #pages: (DeviceMemory | undefined)[] = [];
  #addresses = new BigUint64Array(FIRST_ENTRIES);
  #table: DeviceMemory | undefined;
  /** Entries that are not on the device yet. */
  #changed = { begin: 0, end: 0 };

  constructor(device: Device, pool: PagePool, pageTokens: number, pageBytes: number) {
    this.#device = device;
    this.#pool = pool;
    this.#pageTokens = pageTokens;
    this.#pageBytes = pageBytes;
  }

  /**
   * Allocates a table for tokens `begin .. end - 1`, then the missing pages. After a failure, what was allocated so far
   * stays, and the table still has an entry for each page.
   *
   * @throws OutOfMemoryError
   */
  reserve(begin: number, end: number): void {
    this.#reserveTable(begin < end ? Math.ceil(end / this.#pageTokens) : 0);
    if (begin >= end) return;
    for (let page = Math.floor(begin / this.#pageTokens); page * this.#pageTokens < end; page++)
      if (!this.#pages[page]) this.#put(page, this.#pool.take(this.#pageBytes));
  }

  /** Releases the pages that have no token of `ranges`, disjoint and ascending, except the one of token `length`. */
  retain(ranges: readonly TokenRange[], length: number): void {
    let end = 0;
    for (const range of ranges.filter(([begin, rangeEnd]) => begin < rangeEnd)) {
      this.#release(end, range[0]);
      end = range[1];
    }
    this.#release(end, length);
    this.truncate(length);
  }

  /** Releases the pages that start at `length` or later. */
  truncate(length: number): void {
    const kept = Math.ceil(length / this.#pageTokens);
    for (let page = kept; page < this.#pages.length; page++) this.#drop(page);
    this.#pages.length = Math.min(this.#pages.length, kept);
  }

  /**
   * Tokens of `ranges`, disjoint `[begin, end)`, in allocated pages. A page without any of them is wasted memory and counts as
   * full, except the last, which the next tokens will use.
   */
  held(ranges: readonly TokenRange[]): number {
    const size = this.#pageTokens;
    const inPage = (page: number): number => {
      const counts = ranges.map(([begin, end]) => Math.min(end, (page + 1) * size) - Math.max(begin, page * size));
      const tokens = counts.reduce((sum, count) => sum + Math.max(0, count), 0);
      return tokens > 0 || page === this.#pages.length - 1 ? tokens : size;
    };
    return this.#pages.reduce((sum, memory, page) => sum + (memory ? inPage(page) : 0), 0);
  }

  /** Uploads changed entries and returns the table's address, 0 without a table. Allocates nothing. */
  table(): number {
    if (!this.#table) return 0;
    const { begin, end } = this.#changed;
    const { address } = this.#table;
    if (begin < end) this.#device.upload(address + 8 * begin, this.#addresses.subarray(begin, end));
    this.#changed = { begin: 0, end: 0 };
    return address;
  }

  /** Address of the page that has a token; undefined if it was released. */
  pageOf(token: number): number | undefined {
    return this.#pages[Math.floor(token / this.#pageTokens)]?.address;
  }

  /** Releases everything. */
  clear(): void {
    this.truncate(0);
    if (this.#table) this.#device.free(this.#table);
    this.#table = undefined;
  }

  #put(page: number, memory: DeviceMemory): void {
    this.#pages[page] = memory;
    this.#addresses[page] = BigInt(memory.address);
    const { begin, end } = this.#changed;
    this.#changed = { begin: begin < end ? Math.min(begin, page) : page, end: Math.max(end, page + 1) };
  }

  /** Releases the pages that lie fully within tokens `begin .. end - 1`. */
  #release(begin: number, end: number): void {
    const last = Math.min(this.#pages.length, Math.floor(end / this.#pageTokens));
    for (let page = Math.ceil(begin / this.#pageTokens); page < last; page++) this.#drop(page);
  }

  #drop(page: number): void {
    const memory = this.#pages[page];
    if (!memory) return;
    this.#pages[page] = undefined;
    this.#pool.give(memory);
  }

  /** Allocates before it changes anything, so that a failure leaves the old table in use. */
  #reserveTable(pages: number): void {
    let entries = this.#addresses.length;
    while (entries < pages) entries *= 2;
    if (this.#table && entries === this.#addresses.length) return;
    const addresses = new BigUint64Array(entries);
    const table = this.#device.allocate(addresses.byteLength);
    if (this.#table) this.#device.free(this.#table);
    this.#table = table;
    addresses.set(this.#addresses);
    this.#addresses = addresses;
    this.#changed = { begin: 0, end: this.#pages.length };
  }
}
