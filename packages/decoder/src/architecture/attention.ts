import { type AttentionSpec, type CacheShape, plainAttention, type RecurrentLayer } from "@kvtuner/plan";
import type { DecoderConfig, LayerSizes } from "./config.ts";
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
  const { layerSizes, cacheOf, recurrentLayers } = config;
  const specs = await readSpecs(source, config);
  const attending = cacheOf
    .map((stored, layer) => ({ stored, layer }))
    .filter(({ layer }) => !recurrentLayers?.at[layer]);
  const stored = [...new Set(attending.map((layer) => layer.stored))];
  const sharing = attending.flatMap((own, place) => {
    if (own.layer === own.stored) return [];
    assertKvHeads(config, own);
    const { queryHeads } = layerSizes[own.layer]!;
    return [{ place, cacheOf: stored.indexOf(own.stored), queryHeads, attention: specs[own.layer]! }];
  });
  const shape = shapeOf(stored.map((layer) => ({ ...headsOf(layerSizes[layer]!), attention: specs[layer]! })));
  const recurrent = recurrentShape(config);
  return { ...shape, ...(sharing.length > 0 && { sharing }), ...(recurrent && { recurrent }) };
};

/** A layer that reads the cache of another has the KV heads of that one. */
const assertKvHeads = (
  { architecture, layerSizes }: DecoderConfig,
  { layer, stored }: { readonly layer: number; readonly stored: number },
): void => {
  const [own, expected] = [layerSizes[layer]!.kvHeads, layerSizes[stored]!.kvHeads];
  if (own === expected) return;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${architecture}.attention.head_count_kv to be ${expected} for blk.${layer}, as for blk.${stored}, whose cache it reads, got ${own}; convert the model again`,
  );
};

type Heads = Pick<LayerSizes, "queryHeads" | "kvHeads" | "headSize">;

const headsOf = ({ queryHeads, kvHeads, headSize }: Heads): Heads => ({ queryHeads, kvHeads, headSize });

/** The shape of a cache: the first layer's sizes, in what others differ from them, and attention unless all is plain. */
export const shapeOf = (layers: readonly (Heads & { readonly attention: AttentionSpec })[]): CacheShape => {
  const common = headsOf(layers[0]!);
  const isPlain = layers.every(({ attention, headSize }) => isEqual(attention, plainAttention(headSize)));
  const perLayer = layers.map(({ attention, ...sizes }) => ({
    ...Object.fromEntries(Object.entries(sizes).filter(([name, size]) => size !== common[name as keyof Heads])),
    ...(!isPlain && { attention }),
  }));
  const isEven = perLayer.every((layer) => Object.keys(layer).length === 0);
  return { layers: layers.length, ...common, ...(!isEven && { perLayer }) };
};

const isEqual = (one: AttentionSpec, other: AttentionSpec): boolean => JSON.stringify(one) === JSON.stringify(other);

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
  { architecture, layerSizes, attentionScale, spans }: DecoderConfig,
): Promise<AttentionSpec[]> => {
  const softcap = modelKeys(source.metadata, architecture).optionalNumber("attn_logit_softcapping");
  const specs: AttentionSpec[] = [];
  for (const [layer, { queryHeads, headSize }] of layerSizes.entries()) {
    const span = spans[layer];
    const sinkLogits = await readSinks(source, `blk.${layer}.attn_sinks.weight`, queryHeads);
    specs.push({
      ...plainAttention(headSize),
      ...(attentionScale !== undefined && { scale: attentionScale }),
      ...(softcap !== undefined && { softcap }),
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
