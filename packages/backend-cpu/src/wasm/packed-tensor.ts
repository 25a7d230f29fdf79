import { type KernelScheme, kernelScheme } from "@kvtuner/backend";
import {
  type LayerScheme,
  type LayerShape,
  type Part,
  partBytes,
  quantizedPrefix,
  type TensorBytes,
} from "@kvtuner/plan";
import { emptyBlock, type EncodedBlock } from "@kvtuner/quantizers";
import { aligned, type Arena } from "./arena.ts";
import { BlockTable } from "./block-table.ts";
import { CHUNK_TOKENS } from "./chunk.ts";
import { PAGE_TOKENS, recordLayout, type RecordLayout, TILE_TOKENS, writeTables } from "./layer-record.ts";

/** Half-open range of tokens, counted after the sinks. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/** Keys, or values, of one layer in an arena: records of tiles, and pages of 16-bit rows. */
export class PackedTensor {
  readonly scheme: KernelScheme;
  readonly layout: RecordLayout;
  readonly kind: "key" | "value";
  /** Address of its part of the layer's record. */
  readonly address: number;
  readonly #layer: LayerScheme;
  readonly #shape: LayerShape;
  readonly #arena: Arena;
  readonly #records: BlockTable;
  readonly #pages: BlockTable;
  /** All pages before this one are freed, except the sinks'. */
  #released = 0;

  constructor(arena: Arena, address: number, kind: "key" | "value", layer: LayerScheme, shape: LayerShape) {
    const { kvHeads, headSize } = shape;
    this.scheme = kernelScheme(layer[kind], headSize);
    this.layout = recordLayout(layer[kind], headSize);
    this.kind = kind;
    this.address = address;
    this.#layer = layer;
    this.#shape = shape;
    this.#arena = arena;
    this.#records = new BlockTable(arena, kvHeads * this.layout.recordBytes);
    this.#pages = new BlockTable(arena, this.#pageBytes());
    this.#writeTables();
  }

  /** Tokens after the sinks that are stored as codes at a length. */
  prefix(length: number): number {
    return quantizedPrefix(this.#layer[this.kind], this.#layer, length);
  }

  /** Ends of the exact sinks, the coded tokens and the exact rest of a cache of `length` tokens. */
  segmentEnds(length: number): [sinks: number, coded: number, rest: number] {
    const sinks = Math.min(this.#layer.residency.sinks, length);
    return [sinks, sinks + this.prefix(length), length];
  }

  /** Upper limit of the bytes that {@link reserve} allocates from `length` to `end` tokens, chunk by chunk. */
  neededBytes(length: number, end: number): number {
    const tiles = Math.ceil(this.prefix(end) / TILE_TOKENS) - Math.ceil(this.prefix(length) / TILE_TOKENS);
    const exact = this.scheme.isCoded ? Math.min(end - length, this.#mostExact()) : end - length;
    const pages = Math.ceil(exact / PAGE_TOKENS) + 2;
    const tables = 8 * (2 * (tiles + pages) + end / TILE_TOKENS + end / PAGE_TOKENS + 64);
    return tiles * aligned(this.#shape.kvHeads * this.layout.recordBytes) + pages * aligned(this.#pageBytes()) + tables;
  }

  /** Exact tokens of one chunk, and those waiting for their block. */
  #mostExact(): number {
    return this.#layer.residency.sinks + this.#layer.residency.recent + this.scheme.blockSize + CHUNK_TOKENS;
  }

  /** Reserves memory for the exact tokens `length .. end - 1`, and for the codes of `end` tokens. */
  reserve(length: number, end: number): void {
    this.#pages.fill(Math.floor(length / PAGE_TOKENS), Math.ceil(end / PAGE_TOKENS));
    this.#records.fill(Math.floor(this.prefix(length) / TILE_TOKENS), Math.ceil(this.prefix(end) / TILE_TOKENS));
    this.#writeTables();
  }

  /** Reserves memory, in an empty tensor, for a cache of `length` tokens. */
  reserveAll(length: number): void {
    const start = this.#layer.residency.sinks + this.prefix(length);
    this.#pages.fill(0, Math.ceil(Math.min(length, this.#layer.residency.sinks) / PAGE_TOKENS));
    this.#pages.fill(Math.floor(start / PAGE_TOKENS), Math.ceil(length / PAGE_TOKENS));
    this.#records.fill(0, Math.ceil(this.prefix(length) / TILE_TOKENS));
    this.#writeTables();
  }

  /** Frees the pages whose tokens are all stored as codes at `length`, except the sinks'. */
  release(length: number): void {
    const { sinks } = this.#layer.residency;
    const end = Math.floor((sinks + this.prefix(length)) / PAGE_TOKENS);
    this.#pages.clear(Math.max(this.#released, Math.ceil(sinks / PAGE_TOKENS)), end);
    this.#released = Math.max(this.#released, end);
  }

  /** Tokens after the sinks to decode when the cache shrinks. */
  toDecode(before: number, length: number): TokenRange {
    const from = this.prefix(length);
    return { from, to: Math.max(from, Math.min(this.prefix(before), length - this.#layer.residency.sinks)) };
  }

  /** Reserves memory for the exact tokens `from .. to - 1` after the sinks. */
  reserveExact(range: TokenRange): void {
    if (range.from < range.to) this.#pages.fill(...this.#pagesOf(range));
  }

  /** Upper limit of the bytes that {@link reserveExact} allocates; its table already has entries for these pages. */
  exactBytes(range: TokenRange): number {
    const [first, end] = this.#pagesOf(range);
    return range.from < range.to ? (end - first) * aligned(this.#pageBytes()) : 0;
  }

  #pagesOf({ from, to }: TokenRange): [first: number, end: number] {
    const { sinks } = this.#layer.residency;
    return [Math.floor((sinks + from) / PAGE_TOKENS), Math.ceil((sinks + to) / PAGE_TOKENS)];
  }

  /** Frees what `length` tokens do not need. */
  shrink(length: number): void {
    this.#records.clear(Math.ceil(this.prefix(length) / TILE_TOKENS));
    this.#pages.clear(Math.ceil(length / PAGE_TOKENS));
    this.#released = 0;
  }

  /** Bytes in use, from the sizes of the records and pages. */
  bytes(length: number): TensorBytes {
    const { kvHeads, headSize } = this.#shape;
    const prefix = this.prefix(length);
    const bytesOf = (part: Part): number => (kvHeads * partBytes(part) * prefix) / TILE_TOKENS;
    return {
      ...Object.fromEntries(this.layout.parts.map((part) => [part.name, bytesOf(part)])),
      exact: 2 * kvHeads * headSize * (length - prefix),
    };
  }

  /** The prefix of one KV head as in a snapshot, all zeros. */
  emptyPrefix(length: number): EncodedBlock {
    return emptyBlock(this.prefix(length), this.#shape.headSize, this.#layer[this.kind]);
  }

  /** Address of the record of one KV head and tile. */
  record(head: number, tile: number): number {
    return this.#records.block(tile) + head * this.layout.recordBytes;
  }

  /** Index, in 16-bit numbers, of the exact row of one KV head and token. */
  rowIndex(head: number, token: number): number {
    const page = this.#pages.block(Math.floor(token / PAGE_TOKENS));
    return page / 2 + (head * PAGE_TOKENS + (token % PAGE_TOKENS)) * this.#shape.headSize;
  }

  /** Tokens that are exact at a length, oldest first. */
  exactTokens(length: number): number[] {
    const start = Math.min(length, this.#layer.residency.sinks);
    const tokens: number[] = [];
    for (let token = 0; token < start; token++) tokens.push(token);
    for (let token = start + this.prefix(length); token < length; token++) tokens.push(token);
    return tokens;
  }

  #pageBytes(): number {
    return 2 * this.#shape.kvHeads * PAGE_TOKENS * this.#shape.headSize;
  }

  #writeTables(): void {
    writeTables(this.#arena.words, this.address, this.#records.address, this.#pages.address);
  }
}
