import { type AttentionSpec, type LayerShape, type Residency, spanOf } from "@kvtuner/plan";

/** One place where queries read a layer's cache, over one sample; float32, row-major `[tokens, heads * size]`, after RoPE. */
export interface CacheReader {
  readonly query: Float32Array;
  readonly key: Float32Array;
  readonly value: Float32Array;
  readonly shape: LayerShape & { readonly attention: AttentionSpec };
}

/** Gradients with respect to the keys and values of one sample, laid out as they are. */
export interface CacheGradients {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/**
 * Adds the gradients of keys and values, from that of the attention output. Only queries that read a token as codes count: those
 * at least `recent` tokens after it. Sinks get none. With `p` the probabilities, `G` the cotangent and `s` the scores:
 *
 *     dS[t, j] = p[t, j] * (G[t] . v[j] - sum over i of p[t, i] * (G[t] . v[i]))
 *     key[j] += sum over t >= j + recent of dS[t, j] * ds/dk,   value[j] += sum over t >= j + recent of p[t, j] * G[t]
 *
 * @param cotangent of the attention output, `[tokens, queryHeads * valueSize]`
 */
export const addCacheGradients = (
  reader: CacheReader,
  cotangent: Float32Array,
  { sinks, recent }: Pick<Residency, "sinks" | "recent">,
  into: CacheGradients,
): void => {
  const { queryHeads, kvHeads, headSize, valueSize = headSize, attention } = reader.shape;
  const tokens = reader.query.length / (queryHeads * headSize);
  const probabilities = new Float64Array(tokens);
  const slopes = new Float64Array(tokens);
  const products = new Float64Array(tokens);
  const span = spanOf(attention);
  for (let head = 0; head < queryHeads; head++) {
    const kvHead = Math.floor((head * kvHeads) / queryHeads);
    for (let token = 0; token < tokens; token++) {
      const first = Math.max(0, token + 1 - span);
      const end = token - recent + 1;
      if (Math.max(first, sinks) >= end) continue;
      attend(reader, { head, kvHead, token, first }, probabilities, slopes);
      const row = (token * queryHeads + head) * valueSize;
      let mean = 0;
      for (let other = first; other <= token; other++) {
        if (probabilities[other]! < NEGLIGIBLE) continue;
        const place = (other * kvHeads + kvHead) * valueSize;
        let product = 0;
        for (let i = 0; i < valueSize; i++) product += cotangent[row + i]! * reader.value[place + i]!;
        products[other] = product;
        mean += probabilities[other]! * product;
      }
      const query = (token * queryHeads + head) * headSize;
      for (let other = Math.max(first, sinks); other < end; other++) {
        const probability = probabilities[other]!;
        if (probability < NEGLIGIBLE) continue;
        const slope = probability * (products[other]! - mean) * slopes[other]!;
        const key = (other * kvHeads + kvHead) * headSize;
        for (let i = 0; i < headSize; i++) into.key[key + i]! += slope * reader.query[query + i]!;
        const value = (other * kvHeads + kvHead) * valueSize;
        for (let i = 0; i < valueSize; i++) into.value[value + i]! += probability * cotangent[row + i]!;
      }
    }
  }
};

/** Probabilities whose share in a gradient is below its rounding to float32. Most are, where attention rests on few tokens. */
const NEGLIGIBLE = 1e-8;

interface Query {
  readonly head: number;
  readonly kvHead: number;
  readonly token: number;
  /** First token that it reads. */
  readonly first: number;
}

/** Writes the probabilities of a query, and the derivatives of its scores with respect to the products with keys. */
const attend = (
  { query, key, shape }: CacheReader,
  { head, kvHead, token, first }: Query,
  probabilities: Float64Array,
  slopes: Float64Array,
): void => {
  const { queryHeads, kvHeads, headSize, attention } = shape;
  const { scale, softcap, sinkLogits } = attention;
  const start = (token * queryHeads + head) * headSize;
  const sinkLogit = sinkLogits?.[head] ?? Number.NEGATIVE_INFINITY;
  let largest = sinkLogit;
  for (let other = first; other <= token; other++) {
    const place = (other * kvHeads + kvHead) * headSize;
    let product = 0;
    for (let i = 0; i < headSize; i++) product += query[start + i]! * key[place + i]!;
    const tangent = softcap === undefined ? 0 : Math.tanh((scale * product) / softcap);
    const score = softcap === undefined ? scale * product : softcap * tangent;
    slopes[other] = scale * (1 - tangent ** 2);
    probabilities[other] = score;
    if (score > largest) largest = score;
  }
  let sum = Math.exp(sinkLogit - largest);
  for (let other = first; other <= token; other++)
    sum += probabilities[other] = Math.exp(probabilities[other]! - largest);
  for (let other = first; other <= token; other++) probabilities[other] = probabilities[other]! / sum;
};
