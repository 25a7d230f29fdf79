import { type AttentionSpec, type CacheShape, plainAttention } from "@kvtuner/plan";
import { describeValue, listOf } from "../gguf/describe-value.ts";
import type { DecoderConfig } from "./config.ts";
import { type Metadata, positiveNumber } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import type { WeightSource } from "./weights.ts";

/**
 * The sizes of a model's cache, and the attention of each layer.
 *
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const readShape = async (source: WeightSource, config: DecoderConfig): Promise<CacheShape> => {
  const { architecture, layers, queryHeads, kvHeads, headSize } = config;
  return { layers, queryHeads, kvHeads, headSize, ...(await readAttention(source, architecture, config)) };
};

interface LayerSizes {
  readonly layers: number;
  readonly queryHeads: number;
  readonly headSize: number;
}

/**
 * Reads the attention of each layer. Metadata below `ARCHITECTURE.`: `attention.scale`, the factor of scores;
 * `attention.sliding_window`, a span in tokens; `attention.sliding_window_pattern`, the layers with that span, as a
 * boolean per layer or a period whose last layer has none (all layers by default); `attn_logit_softcapping`. Tensor:
 * `blk.LAYER.attn_sinks.weight`, a logit per query head.
 *
 * @returns nothing when all layers have plain attention
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
const readAttention = async (
  source: WeightSource,
  architecture: string,
  { layers, queryHeads, headSize }: LayerSizes,
): Promise<Pick<CacheShape, "perLayer">> => {
  const read = (key: string): number | undefined =>
    source.metadata.has(`${architecture}.${key}`)
      ? positiveNumber(source.metadata, `${architecture}.${key}`)
      : undefined;
  const plain = plainAttention(headSize);
  const common = {
    ...plain,
    scale: read("attention.scale") ?? plain.scale,
    ...optional("softcap", read("attn_logit_softcapping")),
  };
  const span = readSpan(source.metadata, `${architecture}.attention.sliding_window`);
  const isSliding = slidingLayers(source.metadata, `${architecture}.attention.sliding_window_pattern`, layers);
  const specs: AttentionSpec[] = [];
  for (let layer = 0; layer < layers; layer++)
    specs.push({
      ...common,
      ...(span !== undefined && isSliding(layer) && { mask: { kind: "sliding", span } }),
      ...optional("sinkLogits", await readSinks(source, `blk.${layer}.attn_sinks.weight`, queryHeads)),
    });
  const isPlain = specs.every((spec) => JSON.stringify(spec) === JSON.stringify(plain));
  return isPlain ? {} : { perLayer: specs.map((attention) => ({ attention })) };
};

const optional = <Key extends string, Value>(key: Key, value: Value | undefined): { readonly [key in Key]?: Value } =>
  value === undefined ? {} : ({ [key]: value } as { readonly [key in Key]?: Value });

/** Converters write 0 for no sliding attention. */
const readSpan = (metadata: Metadata, key: string): number | undefined =>
  metadata.has(key) && Number(metadata.get(key)) !== 0 ? positiveNumber(metadata, key) : undefined;

const slidingLayers = (metadata: Metadata, key: string, layers: number): ((layer: number) => boolean) => {
  const pattern = metadata.get(key);
  if (pattern === undefined) return () => true;
  const list = listOf(pattern);
  if (list?.length === layers) return (layer) => Boolean(list[layer]);
  const period = typeof pattern === "bigint" ? Number(pattern) : pattern;
  if (typeof period === "number" && Number.isInteger(period) && period > 0)
    return (layer) => layer % period < period - 1;
  throw invalid(key, `${layers} values or a period`, pattern);
};

const readSinks = async (source: WeightSource, name: string, queryHeads: number): Promise<number[] | undefined> => {
  if (!source.tensors.has(name)) return undefined;
  const logits = [...(await source.readTensor(name))];
  if (logits.length === queryHeads && logits.every(Number.isFinite)) return logits;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${queryHeads} finite numbers in ${name}, one for each query head, got ${logits.length}; convert the model again`,
  );
};

const invalid = (key: string, expected: string, value: unknown): ModelError =>
  new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${key} to be ${expected}, got ${describeValue(value)}; convert the model again`,
  );
