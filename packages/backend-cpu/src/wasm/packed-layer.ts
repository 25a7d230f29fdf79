import type { CallRows } from "@kvtuner/backend";
import { type Asset, type AttentionSpec, type LayerScheme, type LayerShape, spanOf, tensorShape } from "@kvtuner/plan";
import type { Arena } from "./arena.ts";
import { attendAlone, type RowsCall } from "./attend-rows.ts";
import { CHUNK_TOKENS } from "./chunk.ts";
import { encodeRows } from "./codec-rows.ts";
import { decodeRows } from "./coded-rows.ts";
import type { Engine } from "./engine.ts";
import { LAYER_RECORD_BYTES, sinkLogitBytes, tensorAddress, writeAttention, writeLayerRecord } from "./layer-record.ts";
import { PackedTensor, type TokenRange } from "./packed-tensor.ts";
import type { Records } from "./records.ts";
import { writeSegmentEnds } from "./segment-ends.ts";
import { attendOnThreads } from "./threads/attend-on-threads.ts";
import { encodeTokens } from "./transform/coded-tokens.ts";
import type { Workspace } from "./workspace.ts";

/** Rows of a call. */
export interface ChunkRows {
  readonly first: number;
  readonly tokens: number;
  /** Tokens that the last row reads. */
  readonly length: number;
}

/** One layer's cache in an arena. */
export class PackedLayer {
  readonly key: PackedTensor;
  readonly value: PackedTensor;
  readonly arena: Arena;
  readonly shape: LayerShape;
  /** Address of the layer's record. */
  readonly address: number;
  length = 0;
  readonly scheme: LayerScheme;
  readonly #attendRows: (call: RowsCall) => void;
  readonly #isShared: boolean;

  /**
   * @param isShared whether other layers read it too; they must be followed by {@link release}
   * @param assets the plan's
   */
  constructor(
    engine: Engine,
    arena: Arena,
    scheme: LayerScheme,
    shape: LayerShape,
    spec: AttentionSpec,
    isShared: boolean = false,
    assets?: readonly Asset[],
  ) {
    this.arena = arena;
    this.shape = shape;
    this.scheme = scheme;
    this.#isShared = isShared;
    this.#attendRows = engine.pool ? attendOnThreads(engine, engine.pool) : attendAlone;
    this.address = arena.allocate(LAYER_RECORD_BYTES);
    const sinkLogits = arena.allocate(sinkLogitBytes(spec));
    writeLayerRecord(arena.words, this.address, scheme, shape);
    writeAttention(arena.words, this.address, spec, sinkLogits);
    const readBy = { span: spanOf(spec), isShared };
    const tensorOf = (kind: "key" | "value"): PackedTensor =>
      new PackedTensor(arena, tensorAddress(this.address, kind), kind, scheme, shape, readBy, assets);
    this.key = tensorOf("key");
    this.value = tensorOf("value");
  }

  /**
   * Reserves memory for `tokens` more tokens.
   *
   * @throws OutOfMemoryError if there is not enough; nothing has changed then
   */
  ensure(tokens: number): void {
    this.arena.ensure(this.neededBytes(tokens));
  }

  /** Upper limit of the bytes that appending `tokens` more tokens allocates. */
  neededBytes(tokens: number): number {
    const end = this.length + tokens;
    return this.key.neededBytes(this.length, end) + this.value.neededBytes(this.length, end);
  }

  /** Upper limit of the bytes that {@link truncate} allocates for tokens that return to 16 bits. */
  truncationBytes(length: number): number {
    const bytesOf = (tensor: PackedTensor): number => tensor.exactBytes(tensor.toDecode(this.length, length));
    return bytesOf(this.key) + bytesOf(this.value);
  }

  /** Appends and attends, chunk by chunk. Memory must be reserved. */
  attend(call: CallRows, workspace: Workspace): Float32Array {
    const output = createOutput(this.shape, call.tokens);
    for (let first = 0; first < call.tokens; first += CHUNK_TOKENS) {
      const tokens = Math.min(CHUNK_TOKENS, call.tokens - first);
      this.#append(call, first, tokens, workspace);
      this.attendChunk(this, call.query, output, { first, tokens, length: this.length + tokens }, workspace);
      this.length += tokens;
      if (!this.#isShared) this.release();
    }
    return output;
  }

  /** Appends without attending, chunk by chunk. */
  append(call: Omit<CallRows, "query">, workspace: Workspace): void {
    for (let first = 0; first < call.tokens; first += CHUNK_TOKENS) {
      const tokens = Math.min(CHUNK_TOKENS, call.tokens - first);
      this.#append(call, first, tokens, workspace);
      this.length += tokens;
      this.release();
    }
  }

  #append({ key, value }: Omit<CallRows, "query">, first: number, tokens: number, workspace: Workspace): void {
    const end = this.length + tokens;
    this.key.reserve(this.length, end);
    this.value.reserve(this.length, end);
    this.#appendExact(this.key, key, first, tokens, workspace.key);
    this.#appendExact(this.value, value, first, tokens, workspace.value);
    for (const tensor of [this.key, this.value]) this.#encode(tensor, tensor.toEncode(this.length, end), workspace);
  }

  #encode(tensor: PackedTensor, range: TokenRange, workspace: Workspace): void {
    const { kernels } = this.arena;
    const isValue = Number(tensor.kind === "value");
    if (tensor.coder) return encodeTokens(this.recordsOf(tensor, workspace), range);
    if (tensor.stored.kind === "float8") return kernels.encodeFloat8(this.address, isValue, range.from, range.to);
    if (tensor.usesCodec) return encodeRows(this.recordsOf(tensor, workspace), range);
    kernels.encode(this.address, isValue, range.from, range.to, workspace.scratch);
  }

  /** The records of a tensor. */
  recordsOf(tensor: PackedTensor, { scratch }: Workspace): Records {
    return { arena: this.arena, layer: this.address, tensor, scratch };
  }

  #appendExact(tensor: PackedTensor, rows: Float32Array, first: number, tokens: number, place: number): void {
    const width = this.shape.kvHeads * tensor.headSize;
    this.arena.floats.set(rows.subarray(first * width, (first + tokens) * width), place / 4);
    this.arena.kernels.appendExact(this.address, tensor.address, this.length, tokens, place);
  }

  /** Attends for some of a call's rows, as this layer or as one that shares its cache. */
  attendChunk(
    { address, shape }: Pick<PackedLayer, "address" | "shape">,
    query: Float32Array,
    output: Float32Array,
    { first, tokens, length }: ChunkRows,
    workspace: Workspace,
  ): void {
    const width = shape.queryHeads * this.key.headSize;
    const outputWidth = shape.queryHeads * this.value.headSize;
    const { floats, words } = this.arena;
    writeSegmentEnds(words, workspace.segments, [this.key, this.value], length - tokens + 1, tokens);
    floats.set(query.subarray(first * width, (first + tokens) * width), workspace.query / 4);
    this.#attendRows({
      arena: this.arena,
      layer: address,
      shape,
      sinks: this.scheme.residency.sinks,
      length,
      rows: tokens,
      workspace,
    });
    const start = workspace.output / 4;
    output.set(floats.subarray(start, start + tokens * outputWidth), first * outputWidth);
  }

  /** Frees what no later query reads, in the form in which it reads it. */
  release(): void {
    this.key.release(this.length);
    this.value.release(this.length);
  }

  /**
   * Drops the tokens from `length` on. First decodes those that must be exact now but are stored as codes. Memory must be
   * reserved.
   */
  truncate(length: number, workspace: Workspace): void {
    if (length >= this.length) return;
    for (const tensor of [this.key, this.value]) {
      const range = tensor.toDecode(this.length, length);
      tensor.reserveExact(range);
      this.#decode(tensor, range, workspace);
    }
    for (const tensor of [this.key, this.value]) tensor.shrink(length);
    this.length = length;
  }

  #decode(tensor: PackedTensor, range: TokenRange, workspace: Workspace): void {
    if (tensor.coder || tensor.usesCodec) return decodeRows(this.recordsOf(tensor, workspace), range);
    const isValue = Number(tensor.kind === "value");
    this.arena.kernels.decode(this.address, isValue, range.from, range.to, workspace.scratch);
  }
}

/** float32 `[tokens, queryHeads * valueSize]`, zeros. */
export const createOutput = (shape: LayerShape, tokens: number): Float32Array =>
  new Float32Array(tokens * shape.queryHeads * tensorShape(shape, "value").headSize);
