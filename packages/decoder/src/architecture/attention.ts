import { type AttentionSpec, type CacheShape, plainAttention, type RecurrentLayer } from "@kvtuner/plan";
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
  const { queryHeads, kvHeads, headSize, cacheOf, recurrentLayers } = config;
  const specs = await readSpecs(source, config);
  const attending = cacheOf
    .map((stored, layer) => ({ stored, layer }))
    .filter(({ layer }) => !recurrentLayers?.at[layer]);
  const stored = [...new Set(attending.map((layer) => layer.stored))];
  const sizes = { layers: stored.length, queryHeads, kvHeads, headSize };
  const sharing = attending.flatMap((own, place) =>
    own.layer === own.stored
      ? []
      : [{ place, cacheOf: stored.indexOf(own.stored), queryHeads, attention: specs[own.layer]! }],
  );
  const shape = withAttention(
    sizes,
    stored.map((layer) => specs[layer]!),
  );
  const recurrent = recurrentShape(config);
  return { ...shape, ...(sharing.length > 0 && { sharing }), ...(recurrent && { recurrent }) };
};

/** The sizes with the attention of each layer, unless all of it is plain. */
export const withAttention = (sizes: CacheShape, specs: readonly AttentionSpec[]): CacheShape => {
  const plain = JSON.stringify(plainAttention(sizes.headSize));
  const isPlain = specs.every((spec) => JSON.stringify(spec) === plain);
  return { ...sizes, ...(!isPlain && { perLayer: specs.map((attention) => ({ attention })) }) };
};

const recurrentShape = ({ recurrentLayers }: DecoderConfig): RecurrentLayer[] | undefined => {
  if (recurrentLayers === undefined) return undefined;
  const { at, kind, states } = recurrentLayers;
  const numbers = Object.values(states).map((dims) => dims.reduce((product, dim) => product * dim, 1));
  const stateBytes = FLOAT32_BYTES * numbers.reduce((sum, count) => sum + count, 0);
  return at.flatMap((isRecurrent, place) => (isRecurrent ? [{ place, kind, stateBytes }] : []));
};

const FLOAT32_BYTES = 4;

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
