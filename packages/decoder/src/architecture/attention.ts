import { type AttentionSpec, type CacheShape, plainAttention } from "@kvtuner/plan";
import type { DecoderConfig } from "./config.ts";
import { ModelError } from "./model-error.ts";
import { modelKeys } from "./model-keys.ts";
import type { WeightSource } from "./weights.ts";

/**
 * The sizes of a model's cache, and the attention of each layer unless all of it is plain. Layers that read the cache of
 * another are in `sharing`. Adds to the configuration `ARCHITECTURE.attn_logit_softcapping` and the tensors
 * `blk.LAYER.attn_sinks.weight`, a logit per query head.
 *
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const readShape = async (source: WeightSource, config: DecoderConfig): Promise<CacheShape> => {
  const { queryHeads, kvHeads, headSize, cacheOf } = config;
  const specs = await readSpecs(source, config);
  const stored = [...new Set(cacheOf)];
  const sizes = { layers: stored.length, queryHeads, kvHeads, headSize };
  const sharing = cacheOf.flatMap((layer, place) =>
    layer === place ? [] : [{ place, cacheOf: stored.indexOf(layer), queryHeads, attention: specs[place]! }],
  );
  const shape = withAttention(
    sizes,
    stored.map((layer) => specs[layer]!),
  );
  return sharing.length > 0 ? { ...shape, sharing } : shape;
};

/** The sizes with the attention of each layer, unless all of it is plain. */
export const withAttention = (sizes: CacheShape, specs: readonly AttentionSpec[]): CacheShape => {
  const plain = JSON.stringify(plainAttention(sizes.headSize));
  const isPlain = specs.every((spec) => JSON.stringify(spec) === plain);
  return { ...sizes, ...(!isPlain && { perLayer: specs.map((attention) => ({ attention })) }) };
};

const readSpecs = async (
  source: WeightSource,
  { architecture, layers, queryHeads, headSize, attentionScale, spans }: DecoderConfig,
): Promise<AttentionSpec[]> => {
  const softcap = modelKeys(source.metadata, architecture).optionalNumber("attn_logit_softcapping");
  const common = {
    ...plainAttention(headSize),
    scale: attentionScale,
    ...(softcap !== undefined && { softcap }),
  };
  const specs: AttentionSpec[] = [];
  for (let layer = 0; layer < layers; layer++) {
    const span = spans[layer];
    const sinkLogits = await readSinks(source, `blk.${layer}.attn_sinks.weight`, queryHeads);
    specs.push({
      ...common,
      ...(span !== undefined && { mask: { kind: "sliding", span } }),
      ...(sinkLogits && { sinkLogits }),
    });
  }
  return specs;
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
