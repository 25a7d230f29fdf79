import {
  type CacheBytes,
  type CacheShape,
  firstHeld,
  layerShape,
  layerSpan,
  planBytes,
  sharingShape,
} from "@kvtuner/plan";
import { Tensor } from "onnxruntime-common";
import type { CachePlan, KvCache } from "../../backend.ts";
import { readSnapshot } from "../../snapshot/read-snapshot.ts";
import type { Subject } from "../backend-under-test.ts";
import { assertLaw } from "../law.ts";
import { retuned, truncated } from "../oracle/changed-oracle.ts";
import { expectedOutput, expectedRead } from "../oracle/expected-output.ts";
import { appended, emptyOracle, type OracleCache, oracleLength } from "../oracle/oracle-cache.ts";
import { oracleImage } from "../oracle/oracle-image.ts";
import { type CallNumbers, randomCall } from "./random-rows.ts";
import { assertSameImage } from "./same-image.ts";
import { withAssets } from "./samples.ts";
import { assertClose, callTensors, outputNumbers } from "./tensors.ts";

/** A cache under test with its oracle. Every operation runs on both and compares them. */
export class CheckedCache {
  readonly subject: Subject;
  cache: KvCache;
  oracle: OracleCache;
  #seed: number;

  constructor(subject: Subject, cache: KvCache, oracle: OracleCache, seed = 1) {
    this.subject = subject;
    this.cache = cache;
    this.oracle = oracle;
    this.#seed = 1000 * seed;
  }

  /** An empty cache. The seed determines the numbers. */
  static async create(subject: Subject, shape: CacheShape, plan: CachePlan, seed = 1): Promise<CheckedCache> {
    const complete = withAssets(subject, plan);
    const cache = await subject.backend.createCache(shape, complete);
    return new CheckedCache(subject, cache, emptyOracle(shape, complete), seed);
  }

  get length(): number {
    return oracleLength(this.oracle);
  }

  /** The numbers of a call in a layer that no call had before. */
  nextCall(tokens: number, layer = 0): CallNumbers {
    return randomCall(layerShape(this.oracle.shape, layer), tokens, this.#seed++);
  }

  /**
   * Appends tokens in every layer with one call each, and compares outputs, length and bytes.
   *
   * @param compared how many of the call's newest tokens to compare; all by default
   */
  async append(tokens: number, compared: number = tokens): Promise<void> {
    for (let layer = 0; layer < this.oracle.shape.layers; layer++)
      await this.attend(layer, this.nextCall(tokens, layer), compared);
    this.assertCounts();
  }

  /** One call in one layer. */
  async attend(layer: number, call: CallNumbers, compared: number = call.tokens): Promise<void> {
    await this.compare(layer, call, await this.cache.attend(layer, ...callTensors(call)), compared);
  }

  /** Appends a call to the oracle, and compares the cache's output. */
  async compare(layer: number, call: CallNumbers, output: Tensor, compared: number = call.tokens): Promise<void> {
    const got = await outputNumbers(output, layerShape(this.oracle.shape, layer), call.tokens);
    this.oracle = appended(this.oracle, layer, call.key, call.value);
    const rest = (rows: Float32Array): Float32Array =>
      rows.subarray((rows.length / call.tokens) * (call.tokens - compared));
    const expected = expectedOutput(this.oracle, layer, rest(call.query));
    const end = this.oracle.layers[layer]!.key.length;
    const where = `tokens ${end - compared} to ${end - 1} of layer ${layer}`;
    assertClose(rest(got), expected, this.subject.tolerance, where);
  }

  /** Whether every layer holds the tokens that a cache of `length` tokens does. */
  canTruncate(length: number): boolean {
    const { plan, shape } = this.oracle;
    return plan.layers.every((scheme, layer) =>
      [scheme.key, scheme.value].every((tensor) => {
        const firstAt = (tokens: number): number =>
          firstHeld(tensor, scheme, layerSpan(layerShape(shape, layer)), tokens);
        return firstAt(length) >= length || firstAt(length) === firstAt(this.length);
      }),
    );
  }

  /** Reads a layer's newest tokens in a layer that shares its cache. */
  async read(sharing: number, tokens: number): Promise<void> {
    const own = sharingShape(this.oracle.shape, sharing);
    const { query } = randomCall(own, tokens, this.#seed++);
    const tensor = new Tensor("float32", query.slice(), [1, tokens, query.length / tokens]);
    const got = await outputNumbers(await this.cache.read(sharing, tensor), own, tokens);
    const where = `${tokens} tokens of sharing layer ${sharing}`;
    assertClose(got, expectedRead(this.oracle, sharing, query), this.subject.tolerance, where);
  }

  truncate(length: number): void {
    this.cache.truncate(length);
    this.oracle = this.truncatedOracle(length);
    this.assertCounts();
  }

  /** The oracle after a truncate. */
  truncatedOracle(length: number): OracleCache {
    return truncated(this.oracle, length);
  }

  async retune(plan: CachePlan): Promise<void> {
    const complete = withAssets(this.subject, plan);
    await this.cache.retune(complete);
    this.oracle = retuned(this.oracle, complete);
    this.assertCounts();
  }

  /** Continues in a cache restored from a snapshot, and disposes of the old one. */
  async restore(): Promise<void> {
    const snapshot = await this.cache.snapshot();
    await this.cache.dispose();
    this.cache = await this.subject.backend.restoreCache(this.oracle.shape, this.oracle.plan, snapshot);
    this.assertCounts();
  }

  /** Length and bytes by part. */
  assertCounts(): void {
    const { length } = this;
    assertLaw(this.cache.length === length, `expected a length of ${length}, got ${this.cache.length}`);
    const [got, expected] = [
      byPart(this.cache.bytes()),
      byPart(planBytes({ ...this.oracle.plan, shape: this.oracle.shape }, length)),
    ];
    for (const part of Object.keys({ ...expected, ...got })) {
      const [gotBytes, expectedBytes] = [got[part] ?? 0, expected[part] ?? 0];
      assertLaw(
        gotBytes === expectedBytes,
        `expected ${expectedBytes} bytes of ${part} at ${length} tokens, got ${gotBytes}`,
      );
    }
  }

  /** Compares length, bytes, and every code, scale, minimum and 16-bit number of a snapshot. */
  async assertStored(): Promise<void> {
    this.assertCounts();
    const { shape, plan } = this.oracle;
    assertSameImage(await readSnapshot(await this.cache.snapshot(), shape, plan), oracleImage(this.oracle));
  }
}

const byPart = ({ parts, total }: CacheBytes): Readonly<Record<string, number>> => ({ ...parts, total });
