import type { Device, DeviceMemory } from "../device/device.ts";
import type { PagePool } from "./page-pool.ts";

/** Entries of a new table. */
const FIRST_ENTRIES = 64;

/** Memory that grows without moving: pages of so many tokens, and a table on the device with their addresses. */
export class PagedMemory {
  readonly #device: Device;
  readonly #pool: PagePool;
  readonly #pageTokens: number;
  readonly #pageBytes: number;
  #pages: (DeviceMemory | undefined)[] = [];
  #addresses = new BigUint64Array(FIRST_ENTRIES);
  #table: DeviceMemory | undefined;
  /** Entries that the device does not have yet. */
  #changed = { begin: 0, end: 0 };

  constructor(device: Device, pool: PagePool, pageTokens: number, pageBytes: number) {
    this.#device = device;
    this.#pool = pool;
    this.#pageTokens = pageTokens;
    this.#pageBytes = pageBytes;
  }

  /**
   * Makes room for tokens `begin .. end - 1`, where there is none. More room than before is left when it fails.
   *
   * @throws OutOfMemoryError
   */
  reserve(begin: number, end: number): void {
    for (let page = Math.floor(begin / this.#pageTokens); page * this.#pageTokens < end; page++)
      if (!this.#pages[page]) this.#put(page, this.#pool.take(this.#pageBytes));
  }

  /** Lets go of the pages all of whose tokens are in `begin .. end - 1`. */
  release(begin: number, end: number): void {
    const last = Math.min(this.#pages.length, Math.floor(end / this.#pageTokens));
    for (let page = Math.ceil(begin / this.#pageTokens); page < last; page++) this.#drop(page);
  }

  /** Lets go of the pages that begin at `length` or later. */
  truncate(length: number): void {
    const kept = Math.ceil(length / this.#pageTokens);
    for (let page = kept; page < this.#pages.length; page++) this.#drop(page);
    this.#pages.length = Math.min(this.#pages.length, kept);
  }

  /**
   * Tokens of `ranges`, `[begin, end)` each and none in two, whose pages are there. A page with none of them is memory held for
   * nothing and counts as full, except the last, which takes the next tokens.
   */
  held(ranges: readonly (readonly [begin: number, end: number])[]): number {
    const size = this.#pageTokens;
    const inPage = (page: number): number => {
      const counts = ranges.map(([begin, end]) => Math.min(end, (page + 1) * size) - Math.max(begin, page * size));
      const tokens = counts.reduce((sum, count) => sum + Math.max(0, count), 0);
      return tokens > 0 || page === this.#pages.length - 1 ? tokens : size;
    };
    return this.#pages.reduce((sum, memory, page) => sum + (memory ? inPage(page) : 0), 0);
  }

  /** Address of the table, up to date on the device. */
  table(): number {
    if (this.#table?.sizeBytes !== this.#addresses.byteLength) this.#replaceTable();
    const { begin, end } = this.#changed;
    const { address } = this.#table!;
    if (begin < end) this.#device.upload(address + 8 * begin, this.#addresses.subarray(begin, end));
    this.#changed = { begin: 0, end: 0 };
    return address;
  }

  /** Lets go of everything. */
  clear(): void {
    this.truncate(0);
    if (this.#table) this.#device.free(this.#table);
    this.#table = undefined;
  }

  #put(page: number, memory: DeviceMemory): void {
    while (page >= this.#addresses.length) this.#grow();
    this.#pages[page] = memory;
    this.#addresses[page] = BigInt(memory.address);
    const { begin, end } = this.#changed;
    this.#changed = { begin: begin < end ? Math.min(begin, page) : page, end: Math.max(end, page + 1) };
  }

  #drop(page: number): void {
    const memory = this.#pages[page];
    if (!memory) return;
    this.#pages[page] = undefined;
    this.#pool.give(memory);
  }

  #grow(): void {
    const longer = new BigUint64Array(2 * this.#addresses.length);
    longer.set(this.#addresses);
    this.#addresses = longer;
  }

  #replaceTable(): void {
    const table = this.#device.allocate(this.#addresses.byteLength);
    if (this.#table) this.#device.free(this.#table);
    this.#table = table;
    this.#changed = { begin: 0, end: this.#pages.length };
  }
}
