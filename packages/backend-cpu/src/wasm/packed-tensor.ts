import type { KernelScheme } from "@kvtuner/backend";
import {
  type Asset,
  firstHeld,
  heldBytes,
  type HeldTokens,
  heldTokens,
  type LayerScheme,
  type LayerShape,
  type Part,
  partBytes,
  quantizedPrefix,
  schemeOfHead,
  type TensorBytes,
  type TensorScheme,
  tensorShape,
} from "@kvtuner/plan";
import { emptyBlock, type EncodedBlock } from "@kvtuner/quantizers";
import { aligned, type Arena } from "./arena.ts";
import { BlockTable } from "./block-table.ts";
import { CHUNK_TOKENS } from "./chunk.ts";
import { writeFloat8Scales } from "./float8-scales.ts";
import {
  PAGE_TOKENS,
  recordLayout,
  type RecordLayout,
  storedScheme,
  TILE_TOKENS,
  writeCoderAddress,
  writeTables,
} from "./layer-record.ts";
import { isPlain } from "./plain-scheme.ts";
import { writeRotationTables } from "./rotation-tables.ts";
import { writeCoder } from "./transform/coder-table.ts";
import { type Coder, createCoder } from "./transform/coder.ts";
import { writeEncoder } from "./transform/encoder-table.ts";

/** Half-open range of tokens, counted after the sinks. */
export interface TokenRange {
  readonly from: number;
  readonly to: number;
}

/** Who reads a tensor. */
export interface ReadBy {
  /** Tokens that a query reads; Infinity without a span. */
  readonly span: number;
  /** Whether other layers read it too. */
  readonly isShared: boolean;
}

/** Keys, or values, of one layer in an arena: records of tiles, and pages of 16-bit rows. */
export class PackedTensor {
  readonly scheme: KernelScheme;
  readonly layout: RecordLayout;
  /** Of the codec `transform`. */
  readonly coder?: Coder;
  /** Address of what the kernels need to encode; codec `transform`. */
  readonly encoder: number;
  readonly kind: "key" | "value";
  /** The plan's scheme and assets. */
  readonly stored: TensorScheme;
  readonly assets: readonly Asset[] | undefined;
  /** Whether the codec in TypeScript decodes, and encodes what is not `float8`. */
  readonly usesCodec: boolean;
  readonly kvHeads: number;
  readonly sinks: number;
  /** Numbers of one KV head and token. */
  readonly headSize: number;
  /** Address of its part of the layer's record. */
  readonly address: number;
  readonly #layer: LayerScheme;
  readonly #arena: Arena;
  readonly #records: BlockTable;
  readonly #pages: BlockTable;
  /** All pages before this one are freed, except the sinks'. */
  #released = 0;
  /** All records before this one, and pages before that one, are dropped. */
  #dropped = { records: 0, pages: 0 };
  readonly #span: number;
  readonly #isShared: boolean;

  constructor(
    arena: Arena,
    address: number,
    kind: "key" | "value",
    layer: LayerScheme,
    shape: LayerShape,
    { span, isShared }: ReadBy,
    assets?: readonly Asset[],
  ) {
    const { kvHeads, headSize } = tensorShape(shape, kind);
    const scheme = layer[kind];
    this.scheme = storedScheme(scheme, headSize);
    this.layout = recordLayout(layer[kind], headSize);
    this.kind = kind;
    this.stored = scheme;
    this.assets = assets;
    this.usesCodec = scheme.kind !== "transform" && !isPlain(scheme);
    this.sinks = layer.residency.sinks;
    this.address = address;
    this.#layer = layer;
    this.headSize = headSize;
    this.kvHeads = kvHeads;
    this.#span = span;
    this.#isShared = isShared;
    this.#arena = arena;
    if (scheme.kind === "transform") this.coder = createCoder(scheme, assets, { kvHeads, headSize });
    this.#records = new BlockTable(arena, this.#recordBytes());
    this.#pages = new BlockTable(arena, this.#pageBytes());
    this.#writeTables();
    const coder = this.coder ? writeCoder(arena, this.coder, layer.residency.sinks) : 0;
    writeCoderAddress(arena.words, address, coder);
    this.encoder = this.coder ? writeEncoder(arena, this.coder) : 0;
    writeFloat8Scales(arena, address, scheme, kvHeads);
    writeRotationTables(arena, address, this.stored, assets, { kvHeads, headSize });
  }

  /** Tokens after the sinks that are stored as codes at a length. */
  prefix(length: number): number {
    return quantizedPrefix(this.#layer[this.kind], this.#layer, length);
  }

  /** Tokens held at a length, to the token; memory is freed a tile at a time. */
  held(length: number): HeldTokens {
    return heldTokens(this.#layer[this.kind], this.#layer, this.#span, length);
  }

  /** The coded tokens held at a length, counted after the sinks. */
  codes(length: number): TokenRange {
    const to = this.prefix(length);
    return { from: to - this.held(length).coded, to };
  }

  /** Tokens to encode, counted after the sinks, when the cache grows. Blocks that no query reads any more are left out. */
  toEncode(length: number, end: number): TokenRange {
    const from = Math.max(this.prefix(length), this.#firstHeld(length) - this.#layer.residency.sinks);
    return { from, to: Math.max(from, this.prefix(end)) };
  }

  #firstHeld(length: number): number {
    return firstHeld(this.#layer[this.kind], this.#layer, this.#span, length);
  }

  /** The tile, from the first token after the sinks on, of the oldest token held. Kernels read no tile before it. */
  #firstTile(length: number): number {
    return Math.floor((this.#firstHeld(length) - this.#layer.residency.sinks) / TILE_TOKENS);
  }

  /** Tokens before the oldest tile. */
  #droppedTokens(length: number): number {
    return Math.max(0, this.#layer.residency.sinks + TILE_TOKENS * this.#firstTile(length));
  }

  /** Ends of the exact sinks, the coded tokens and the exact rest of a cache of `length` tokens. */
  segmentEnds(length: number): [sinks: number, coded: number, rest: number] {
    const sinks = Math.min(this.#layer.residency.sinks, length);
    return [sinks, sinks + this.prefix(length), length];
  }

  /** Upper limit of the bytes that {@link reserve} allocates from `length` to `end` tokens, chunk by chunk. */
  neededBytes(length: number, end: number): number {
    const filled = Math.ceil(this.prefix(end) / TILE_TOKENS) - Math.ceil(this.prefix(length) / TILE_TOKENS);
    const tiles = Math.min(filled, Math.ceil(this.#mostHeld() / TILE_TOKENS) + 2);
    const pages = Math.ceil(Math.min(end - length, this.#mostExact()) / PAGE_TOKENS) + 2;
    const tables = 8 * (2 * (tiles + pages) + end / TILE_TOKENS + end / PAGE_TOKENS + 64);
    return tiles * aligned(this.#recordBytes()) + pages * aligned(this.#pageBytes()) + tables;
  }

  /** Exact tokens held at most while a chunk is appended, and those waiting for their block. */
  #mostExact(): number {
    const { sinks, recent } = this.#layer.residency;
    if (this.#isShared || !this.scheme.isCoded) return this.#mostHeld();
    return Math.min(this.#mostHeld(), sinks + recent + this.scheme.blockSize + CHUNK_TOKENS);
  }

  /** Tokens held at most while a chunk is appended, to the tile. A shared layer releases none before the end of a call. */
  #mostHeld(): number {
    return this.#isShared ? Infinity : this.#span + this.scheme.blockSize + CHUNK_TOKENS + TILE_TOKENS;
  }

  /** Reserves memory for the exact tokens `length .. end - 1`, and for the codes of `end` tokens. */
  reserve(length: number, end: number): void {
    const { from, to } = this.toEncode(length, end);
    this.#pages.fill(Math.floor(length / PAGE_TOKENS), Math.ceil(end / PAGE_TOKENS));
    const records = this.#records.fill(Math.floor(from / TILE_TOKENS), Math.ceil(to / TILE_TOKENS));
    if (this.coder) this.#clearRecords(records);
    this.#writeTables();
  }

  #clearRecords(records: readonly number[]): void {
    for (const record of records) {
      const start = this.#records.block(record);
      this.#arena.bytes.fill(0, start, start + this.#recordBytes());
    }
  }

  /** Reserves zeroed memory, in an empty tensor, for a cache of `length` tokens. */
  reserveAll(length: number): void {
    const { sinks } = this.#layer.residency;
    const dropped = this.#droppedTokens(length);
    const start = Math.max(dropped, sinks + this.prefix(length));
    const pages = [
      ...this.#pages.fill(Math.floor(dropped / PAGE_TOKENS), Math.ceil(Math.min(length, sinks) / PAGE_TOKENS)),
      ...this.#pages.fill(Math.floor(start / PAGE_TOKENS), Math.ceil(length / PAGE_TOKENS)),
    ];
    const records = this.#records.fill(
      Math.max(0, this.#firstTile(length)),
      Math.ceil(this.prefix(length) / TILE_TOKENS),
    );
    this.#writeTables();
    // Kernels also read what the oldest tile has before the oldest token. They give it no weight, but it must be finite.
    const { bytes } = this.#arena;
    for (const page of pages) bytes.fill(0, this.#pages.block(page), this.#pages.block(page) + this.#pageBytes());
    this.#clearRecords(records);
  }

  /** Frees the pages whose tokens are all stored as codes at `length`, except the sinks', and what is dropped. */
  release(length: number): void {
    const { sinks } = this.#layer.residency;
    const end = Math.floor((sinks + this.prefix(length)) / PAGE_TOKENS);
    this.#pages.clear(Math.max(this.#released, Math.ceil(sinks / PAGE_TOKENS)), end);
    this.#released = Math.max(this.#released, end);
    this.#drop(length);
  }

  #drop(length: number): void {
    const records = Math.max(0, this.#firstTile(length));
    const pages = Math.floor(this.#droppedTokens(length) / PAGE_TOKENS);
    this.#records.clear(this.#dropped.records, records);
    this.#pages.clear(this.#dropped.pages, pages);
    this.#dropped = { records, pages };
  }

  /** Tokens after the sinks to decode when the cache shrinks. */
  toDecode(before: number, length: number): TokenRange {
    const { sinks } = this.#layer.residency;
    const from = Math.max(this.prefix(length), this.#firstHeld(length) - sinks);
    return { from, to: Math.max(from, Math.min(this.prefix(before), length - sinks)) };
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
    this.#dropped = { records: 0, pages: 0 };
  }

  /** Bytes in use, from the sizes of the records and pages; for codecs in TypeScript, from those of the plan. */
  bytes(length: number): TensorBytes {
    const { coded, exact } = this.held(length);
    if (this.coder || this.usesCodec)
      return heldBytes(this.stored, { kvHeads: this.kvHeads, headSize: this.headSize }, { coded, exact });
    const bytesOf = (part: Part): number => (this.kvHeads * partBytes(part) * coded) / TILE_TOKENS;
    return {
      ...Object.fromEntries(this.layout.parts.map((part) => [part.name, bytesOf(part)])),
      exact: 2 * this.kvHeads * this.headSize * exact,
    };
  }

  /** The prefix of one KV head as in a snapshot, all zeros. */
  emptyPrefix(length: number, head: number): EncodedBlock {
    return emptyBlock(this.held(length).coded, this.headSize, schemeOfHead(this.#layer[this.kind], head));
  }

  /** Address of the record of one KV head and tile. */
  record(head: number, tile: number): number {
    return this.#records.block(tile) + head * this.layout.recordBytes;
  }

  /** Index, in 16-bit numbers, of the exact row of one KV head and token. */
  rowIndex(head: number, token: number): number {
    const page = this.#pages.block(Math.floor(token / PAGE_TOKENS));
    return page / 2 + (head * PAGE_TOKENS + (token % PAGE_TOKENS)) * this.headSize;
  }

  /** Tokens that are exact at a length, oldest first. */
  exactTokens(length: number): number[] {
    const { sinks } = this.#layer.residency;
    const first = this.#firstHeld(length);
    const tokens: number[] = [];
    for (let token = first; token < Math.min(length, sinks); token++) tokens.push(token);
    for (let token = Math.max(first, sinks + this.prefix(length)); token < length; token++) tokens.push(token);
    return tokens;
  }

  #recordBytes(): number {
    return this.coder?.recordBytes ?? this.kvHeads * this.layout.recordBytes;
  }

  #pageBytes(): number {
    return 2 * this.kvHeads * PAGE_TOKENS * this.headSize;
  }

  #writeTables(): void {
    writeTables(this.#arena.words, this.address, this.#records.address, this.#pages.address);
  }
}
