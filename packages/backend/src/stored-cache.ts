import { type CacheBytes, type CacheShape, layerBytes, layerShape, planBytes } from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import { assertAllRead, assertAppend, assertFits, evenLength, LayerOrderError } from "./append.ts";
import { attendTokens, readTokens } from "./attend-tokens.ts";
import type { CachePlan, KvCache } from "./backend.ts";
import type { CacheOwner } from "./cache-owner.ts";
import type { CacheStore } from "./cache-store.ts";
import { assertAlive } from "./disposed.ts";
import { assertFiniteQuery, assertFiniteTensors } from "./finite-tensors.ts";
import { assertPlanSupported } from "./plan-support.ts";
import { assertCoarser, assertComplete } from "./retune-check.ts";
import { writeSnapshot } from "./snapshot/write-snapshot.ts";
import { assertNotDropped, assertTruncate } from "./truncation.ts";
import { Turns } from "./turns.ts";

/** A cache that validates every call and delegates storage to a store, one call at a time. */
export class StoredCache implements KvCache {
  readonly shape: CacheShape;
  readonly #owner: CacheOwner;
  readonly #store: CacheStore;
  readonly #turns: Turns = new Turns();
  #plan: CachePlan;
  /** Bytes of all layers, kept up to date so that calls need not count them. */
  #totalBytes: number;
  /** Tokens that each sharing layer has read. */
  readonly #readLengths: number[];
  #disposed = false;

  /** `plan` must be supported, and `store` made for it. */
  constructor(owner: CacheOwner, plan: CachePlan, store: CacheStore) {
    this.shape = plan.shape;
    this.#owner = owner;
    this.#plan = plan;
    this.#store = store;
    this.#totalBytes = store.bytes().total;
    const lengths = store.lengths();
    this.#readLengths = (plan.shape.sharing ?? []).map(({ cacheOf }) => lengths[cacheOf]!);
  }

  get length(): number {
    this.#assertAlive();
    return this.#store.lengths().at(-1)!;
  }

  bytes(): CacheBytes {
    this.#assertAlive();
    return this.#store.bytes();
  }

  attend(layer: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor> {
    return this.#inTurn(async () => {
      const deviceTensors = this.#store.attendTensors !== undefined;
      const tokens = attendTokens(this.shape, layer, query, key, value, { deviceTensors });
      assertAllRead(this.shape, layer, this.#store.lengths()[layer]!, this.#readLengths);
      const addedBytes = this.#addedBytes(layer, tokens);
      const output = await this.#output(layer, tokens, query, key, value);
      this.#totalBytes += addedBytes;
      return output;
    });
  }

  read(sharing: number, query: Tensor): Promise<Tensor> {
    return this.#inTurn(async () => {
      const tokens = readTokens(this.shape, sharing, query);
      const rows = numbersOf(query);
      const { cacheOf } = this.shape.sharing![sharing]!;
      this.#assertUnread(sharing, cacheOf, tokens);
      assertFiniteQuery(`the query of sharing layer ${sharing}`, rows);
      const isLast = this.shape.sharing!.every(
        (other, index) =>
          index === sharing || other.cacheOf !== cacheOf || this.#readLengths[index] !== this.#readLengths[sharing],
      );
      const output = await this.#store.read!(sharing, { tokens, query: rows, isLast });
      this.#readLengths[sharing]! += tokens;
      return outputTensor(output, tokens);
    });
  }

  truncate(length: number): void {
    const current = this.length;
    this.#turns.assertNone("truncate()");
    assertTruncate(current, length);
    assertNotDropped(this.#plan, this.#store.lengths(), length);
    const { total } = planBytes(this.#plan, length);
    assertFits(length, total, this.#owner.capabilities);
    this.#store.truncate(length);
    this.#readLengths.fill(length);
    this.#totalBytes = total;
  }

  retune(plan: CachePlan): Promise<void> {
    return this.#inTurn(async () => {
      const { name, capabilities } = this.#owner;
      assertPlanSupported(name, capabilities, this.shape, plan);
      const next = { ...plan, shape: this.shape };
      const length = this.#evenLength();
      assertCoarser(this.#plan, next, length);
      assertComplete(this.#plan, length);
      await this.#store.retune(next);
      this.#plan = next;
      this.#totalBytes = this.#store.bytes().total;
    });
  }

  snapshot(): Promise<Uint8Array> {
    return this.#inTurn(async () => {
      const { layers, assets = [] } = this.#plan;
      const length = this.#evenLength();
      return writeSnapshot({ shape: this.shape, layers, assets, length, tensors: await this.#store.images() });
    });
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.#turns.take(async () => this.#store.clear());
  }

  /** A waiting call may find the cache disposed of when it starts, or the backend when it ends. */
  #inTurn<Result>(call: () => Promise<Result>): Promise<Result> {
    return this.#turns.take(async () => {
      this.#assertAlive();
      try {
        await this.#store.settle?.();
        return await call();
      } catch (error) {
        this.#recount();
        throw error;
      } finally {
        // If the backend was disposed of during the call, that explains any output or error.
        assertAlive(this.#owner.disposed, "backend");
      }
    });
  }

  /** Undoes the count of a call that the device rejected late. */
  #recount(): void {
    if (!this.#disposed && !this.#owner.disposed) this.#totalBytes = this.#store.bytes().total;
  }

  #assertAlive(): void {
    assertAlive(this.#disposed, "cache");
    assertAlive(this.#owner.disposed, "backend");
  }

  /** Numbers in device buffers are not checked. */
  async #output(layer: number, tokens: number, query: Tensor, key: Tensor, value: Tensor): Promise<Tensor> {
    if (query.location !== "cpu") return this.#store.attendTensors!(layer, query, key, value);
    const call = { tokens, query: numbersOf(query), key: numbersOf(key), value: numbersOf(value) };
    const { headSize, valueSize } = layerShape(this.shape, layer);
    const destination = { layer, scheme: this.#plan.layers[layer]!, headSize, valueSize };
    assertFiniteTensors(destination, call.query, call.key, call.value);
    return outputTensor(await this.#store.attend(layer, call), tokens);
  }

  #evenLength(): number {
    const length = evenLength(this.#store.lengths());
    for (let layer = 0; layer < this.shape.layers; layer++) assertAllRead(this.shape, layer, length, this.#readLengths);
    return length;
  }

  #assertUnread(sharing: number, layer: number, tokens: number): void {
    const unread = this.#store.lengths()[layer]! - this.#readLengths[sharing]!;
    if (tokens === unread) return;
    throw new LayerOrderError(
      `expected sharing layer ${sharing} to read the ${unread} new tokens of layer ${layer}, got ${tokens} queries; call read once after attend, with as many tokens`,
    );
  }

  /** Rejects calls that exceed a limit. Returns the bytes that a call adds. */
  #addedBytes(layer: number, tokens: number): number {
    const scheme = this.#plan.layers[layer]!;
    const lengths = this.#store.lengths();
    const shape = layerShape(this.shape, layer);
    const bytesAt = (length: number): number => layerBytes(scheme, shape, length).total;
    const addedBytes = bytesAt(lengths[layer]! + tokens) - bytesAt(lengths[layer]!);
    const bytesAfter = this.#totalBytes + addedBytes;
    assertAppend({ layer, tokens, lengths, bytesAfter }, this.#owner.capabilities);
    return addedBytes;
  }
}

const outputTensor = (output: Float32Array, tokens: number): Tensor =>
  new Tensor("float32", output, [1, tokens, output.length / tokens]);

const numbersOf = ({ data }: Tensor): Float32Array => data as Float32Array;
