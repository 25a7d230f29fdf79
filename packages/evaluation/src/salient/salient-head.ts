import { type AttentionSpec, scoreOf, spanOf } from "@kvtuner/plan";
import {
  decodeBlock,
  encodeBlock,
  encodedBytes,
  mostSalient,
  normalizedSaliency,
  queryKeyBalance,
  roundArrayToFloat16,
  roundToFloat16,
} from "@kvtuner/quantizers";
import { type CodedPair, inOneBlock, type SalientScheme } from "./salient-scheme.ts";

/** Rows that a query reads, by token. */
interface Rows {
  readonly width: number;
  readonly rows: Float32Array[];
}

/** One KV head of a layer under a {@link SalientScheme}: what its queries read, and the bytes of what a cache would store. */
export class SalientHead {
  readonly #scheme: SalientScheme;
  readonly #spec: AttentionSpec;
  readonly #key: Rows;
  readonly #value: Rows;
  /** Attention weights of each token, added over probes, and the probes that see it. */
  readonly #sums: number[] = [];
  readonly #reads: number[] = [];
  /** Tokens in 16 bits, ascending. */
  #exact: number[] = [];
  #codedBytes = 0;
  #decidedTokens = 0;
  readonly #largestQuery: Float64Array;
  readonly #largestKey: Float64Array;
  #balance: Float64Array | undefined;

  constructor(scheme: SalientScheme, spec: AttentionSpec, headSize: number, valueSize: number) {
    this.#scheme = scheme;
    this.#spec = spec;
    this.#key = { width: headSize, rows: [] };
    this.#value = { width: valueSize, rows: [] };
    this.#largestQuery = new Float64Array(headSize);
    this.#largestKey = new Float64Array(headSize);
  }

  /** Appends a token, rounded to 16 bits. */
  append(key: Float32Array, value: Float32Array): void {
    this.#exact.push(this.#key.rows.length);
    for (const [{ rows }, source] of [[this.#key, key] as const, [this.#value, value] as const]) {
      const row = new Float32Array(source.length);
      roundArrayToFloat16(source, row);
      rows.push(row);
    }
    this.#sums.push(0);
    this.#reads.push(0);
    raiseTo(this.#largestKey, key);
  }

  /**
   * Attends for the newest token, in double precision.
   *
   * @param output written to
   * @param isProbe whether its attention counts
   */
  attend(query: Float32Array, sinkLogit: number | undefined, isProbe: boolean, output: Float32Array): void {
    const first = Math.max(0, this.#key.rows.length - spanOf(this.#spec));
    const weights = this.#weights(query, first, sinkLogit);
    const sum = new Float64Array(output.length);
    for (const [index, weight] of weights.entries()) {
      const row = this.#value.rows[first + index]!;
      for (let channel = 0; channel < sum.length; channel++) sum[channel]! += weight * row[channel]!;
    }
    output.set(sum);
    raiseTo(this.#largestQuery, query);
    if (!isProbe) return;
    for (const [index, weight] of weights.entries()) {
      this.#sums[first + index]! += weight;
      this.#reads[first + index]! += 1;
    }
  }

  /** Codes the tokens that the scheme wants coded at this length. */
  decide(): void {
    const { share, salient, rest, isBalanced } = this.#scheme;
    const exact = this.#exact;
    const length = this.#key.rows.length;
    if (isBalanced) this.#balance ??= queryKeyBalance(this.#largestQuery, this.#largestKey).map(roundToFloat16);
    const count = Math.min(exact.length, Math.round(share * (salient ? exact.length : length)));
    const places = new Set(mostSalient(this.#saliency(count), count));
    const kept = exact.filter((_, place) => places.has(place));
    this.#store(
      exact.filter((_, place) => !places.has(place)),
      rest,
      this.#balance,
    );
    if (salient) this.#store(kept, salient);
    this.#exact = salient ? [] : kept;
    this.#decidedTokens = length;
  }

  /** Bytes of the codes, of tokens in 16 bits, of one bit a token that tells its precision, and of the balance. */
  bytes(): number {
    const exactBytes = 2 * this.#exact.length * (this.#key.width + this.#value.width);
    const balanceBytes = this.#balance ? 2 * this.#key.width : 0;
    return this.#codedBytes + exactBytes + Math.ceil(this.#decidedTokens / 8) + balanceBytes;
  }

  #weights(query: Float32Array, first: number, sinkLogit: number = -Infinity): Float64Array {
    const weights = new Float64Array(this.#key.rows.length - first);
    let largest = sinkLogit;
    for (let index = 0; index < weights.length; index++) {
      weights[index] = scoreOf(this.#spec, dot(query, this.#key.rows[first + index]!));
      largest = Math.max(largest, weights[index]!);
    }
    let total = Math.exp(sinkLogit - largest);
    for (let index = 0; index < weights.length; index++) total += weights[index] = Math.exp(weights[index]! - largest);
    return weights.map((weight) => weight / total);
  }

  /** Saliency of the tokens in 16 bits, of which `count` will be kept. */
  #saliency(count: number): ArrayLike<number> {
    const { rule } = this.#scheme;
    const sums = this.#exact.map((token) => this.#sums[token]!);
    if (rule.kind === "normalized")
      return normalizedSaliency(
        sums,
        this.#exact.map((token) => this.#reads[token]!),
      );
    const firstRecent = sums.length - Math.round(rule.recent * count);
    return sums.map((sum, place) => (place >= firstRecent ? Infinity : sum));
  }

  #store(tokens: readonly number[], { key, value }: CodedPair, balance?: Float64Array): void {
    if (tokens.length === 0) return;
    const write = ({ width, rows }: Rows, pair: CodedPair["key"], factors?: Float64Array): void => {
      const scheme = inOneBlock(pair, tokens.length);
      const source = new Float32Array(tokens.length * width);
      for (const [place, token] of tokens.entries())
        source.set(factors ? rows[token]!.map((x, channel) => x * factors[channel]!) : rows[token]!, place * width);
      const decoded = decodeBlock(encodeBlock(source, tokens.length, width, scheme), tokens.length, width, scheme);
      for (const [place, token] of tokens.entries()) {
        const row = decoded.subarray(place * width, (place + 1) * width);
        rows[token] = factors ? row.map((x, channel) => x / factors[channel]!) : row;
      }
      this.#codedBytes += encodedBytes(tokens.length, width, scheme);
    };
    write(this.#key, key, balance);
    write(this.#value, value);
  }
}

const raiseTo = (largest: Float64Array, row: Float32Array): void => {
  for (let channel = 0; channel < largest.length; channel++)
    largest[channel] = Math.max(largest[channel]!, Math.abs(row[channel]!));
};

const dot = (a: Float32Array, b: Float32Array): number => {
  let sum = 0;
  for (let index = 0; index < a.length; index++) sum += a[index]! * b[index]!;
  return sum;
};
