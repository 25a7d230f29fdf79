import { attentionOf, type CacheShape, layerShape } from "@kvtuner/plan";
import { probePlaces } from "@kvtuner/quantizers";
import { Tensor } from "onnxruntime-common";
import { EvaluationError } from "../evaluator.ts";
import type { RuntimeAttention } from "../runtime-residuals.ts";
import { SalientHead } from "./salient-head.ts";
import { isDecisionDue, type SalientScheme } from "./salient-scheme.ts";

interface Layer {
  readonly heads: readonly SalientHead[];
  length: number;
  /** Positions of the probes of the run under way. */
  probes: ReadonlySet<number>;
}

/** Attention over a cache with two precisions in each layer. */
export interface SalientAttention extends RuntimeAttention {
  /** Bytes that a cache of these codes holds. They depend on the length alone, because each decision keeps a fixed share. */
  bytes(): number;
}

/**
 * Fills the holes of one sample under a {@link SalientScheme}, in double precision: for `scoreRuntime`, or a decoder that
 * generates. The result does not depend on how tokens are cut into pieces. Decoded numbers are kept too, so this takes more
 * memory than `bytes` says.
 *
 * @throws EvaluationError `EVALUATION_SALIENT` for a shape with layers that share a cache
 */
export const createSalientAttention = (shape: CacheShape, scheme: SalientScheme): SalientAttention => {
  assertNotShared(shape);
  const layers = Array.from({ length: shape.layers }, (_, index): Layer => {
    const { kvHeads, headSize, valueSize = headSize } = layerShape(shape, index);
    const spec = attentionOf(shape, index);
    const heads = Array.from({ length: kvHeads }, () => new SalientHead(scheme, spec, headSize, valueSize));
    return { heads, length: 0, probes: probesOf(scheme, 0, scheme.firstTokens) };
  });
  return {
    attend: async (index, query, key, value) => {
      const [queries, keys, values] = await Promise.all(
        [query, key, value].map(async (tensor) => (await tensor.getData()) as Float32Array),
      );
      const tokens = query.dims[1]!;
      const layer = layers[index]!;
      const { queryHeads, valueSize, headSize } = layerShape(shape, index);
      const output = new Float32Array(tokens * queryHeads * (valueSize ?? headSize));
      for (let token = 0; token < tokens; token++) {
        const row = (of: Float32Array): Float32Array => rowOf(of, token, tokens);
        const sinkLogits = attentionOf(shape, index).sinkLogits;
        attendToken(layer, scheme, row(queries!), row(keys!), row(values!), row(output), sinkLogits);
      }
      return new Tensor("float32", output, [1, tokens, output.length / tokens]);
    },
    bytes: () => layers.flatMap(({ heads }) => heads).reduce((sum, head) => sum + head.bytes(), 0),
  };
};

/** Appends a token, attends, and then decides if it is time. */
const attendToken = (
  layer: Layer,
  scheme: SalientScheme,
  query: Float32Array,
  key: Float32Array,
  value: Float32Array,
  output: Float32Array,
  sinkLogits: readonly number[] | undefined,
): void => {
  const { heads, probes } = layer;
  for (const [head, stored] of heads.entries())
    stored.append(rowOf(key, head, heads.length), rowOf(value, head, heads.length));
  const isProbe = scheme.rule.kind === "accumulated" || probes.has(layer.length);
  const queryHeads = (query.length * heads.length) / key.length;
  for (let head = 0; head < queryHeads; head++) {
    const stored = heads[Math.floor((head * heads.length) / queryHeads)]!;
    stored.attend(rowOf(query, head, queryHeads), sinkLogits?.[head], isProbe, rowOf(output, head, queryHeads));
  }
  layer.length++;
  if (!isDecisionDue(scheme, layer.length)) return;
  for (const head of heads) head.decide();
  layer.probes = probesOf(scheme, layer.length, scheme.every);
};

/** Row `index` of `rows` of equal width. */
const rowOf = (data: Float32Array, index: number, rows: number): Float32Array =>
  data.subarray((index * data.length) / rows, ((index + 1) * data.length) / rows);

const probesOf = ({ rule, seed }: SalientScheme, start: number, tokens: number): ReadonlySet<number> => {
  if (rule.kind === "accumulated") return new Set();
  const random = generator(seed + start);
  return new Set(Array.from(probePlaces(tokens, rule.probes, random), (place) => start + place));
};

/** Uniform numbers in `[0, 1)` of a linear congruential generator (Numerical Recipes). */
const generator = (seed: number): (() => number) => {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) / 2 ** 32;
};

const assertNotShared = ({ sharing = [] }: CacheShape): void => {
  if (sharing.length === 0) return;
  throw new EvaluationError(
    "EVALUATION_SALIENT",
    `expected layers with caches of their own, got ${sharing.length} that share one; use a plan with one precision per layer`,
  );
};
