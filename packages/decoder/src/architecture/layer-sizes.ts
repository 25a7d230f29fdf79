import { listOf } from "../gguf/describe-value.ts";
import type { ExpertSizes, LayerSizes } from "./config.ts";
import type { Family, FamilySizes } from "./families/family.ts";
import { positiveNumbers } from "./metadata-fields.ts";
import { ModelError } from "./model-error.ts";
import type { ModelKeys } from "./model-keys.ts";

/** Counts that the sizes of layers depend on. */
interface LayerCounts extends Pick<FamilySizes, "slides" | "hiddenSize"> {
  /** Layers after the others, which are not read but counted in lists. */
  readonly draftLayers: number;
  readonly experts?: Pick<ExpertSizes, "feedForwardSize"> | undefined;
}

/**
 * Sizes of each layer. Heads and feed-forward sizes are one number for all layers, or a list with one for each. In families
 * that allow it, sliding layers may have heads of another size, `attention.key_length_swa`.
 *
 * @throws ModelError `MODEL_METADATA_MISSING`, `MODEL_METADATA_INVALID`
 */
export const readLayerSizes = (
  keys: ModelKeys,
  { recurrent, mayDifferInHeadSize = false }: Pick<Family, "recurrent" | "mayDifferInHeadSize">,
  { slides, draftLayers, hiddenSize, experts }: LayerCounts,
): LayerSizes[] => {
  const layers = slides.length + draftLayers;
  const queryHeads = keys.numbers("attention.head_count", layers);
  const kvHeads = keys.has(KV_HEADS) ? readKvHeads(keys, layers, recurrent !== undefined) : queryHeads;
  // Files in which each layer has experts may leave it out.
  const feedForward =
    experts === undefined || keys.has(FEED_FORWARD)
      ? keys.numbers(FEED_FORWARD, layers)
      : Array.from({ length: layers }, () => experts.feedForwardSize);
  const sizes = slides.map((isSliding, layer) => ({
    queryHeads: queryHeads[layer]!,
    kvHeads: kvHeads[layer]!,
    headSize: readHeadSize(keys, isSliding, hiddenSize / queryHeads[layer]!),
    feedForwardSize: feedForward[layer]!,
  }));
  for (const layer of sizes) assertLayerSizes(layer);
  if (!mayDifferInHeadSize) assertOneHeadSize(sizes);
  return sizes;
};

const FEED_FORWARD = "feed_forward_length";
const KV_HEADS = "attention.head_count_kv";

/** Recurrent layers have no KV heads; they get the number of the first layer that has some, which is not used. */
const readKvHeads = (keys: ModelKeys, layers: number, mayBeRecurrent: boolean): number[] => {
  const list = listOf(keys.value(KV_HEADS));
  const used = list?.find((heads) => Number(heads) !== 0);
  if (!mayBeRecurrent || !list || used === undefined) return keys.numbers(KV_HEADS, layers);
  const filled = list.map((heads) => (Number(heads) === 0 ? used : heads));
  return positiveNumbers(new Map([[keys.name(KV_HEADS), filled]]), keys.name(KV_HEADS), layers);
};

const readHeadSize = (keys: ModelKeys, isSliding: boolean, fallback: number): number => {
  const full = keys.number("attention.key_length", fallback);
  assertValueSize(keys, "attention.value_length", full);
  const sliding = keys.number("attention.key_length_swa", full);
  assertValueSize(keys, "attention.value_length_swa", sliding);
  return isSliding ? sliding : full;
};

const assertValueSize = (keys: ModelKeys, name: string, keySize: number): void => {
  const valueSize = keys.number(name, keySize);
  if (valueSize === keySize) return;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${keys.name(name)} to be ${keySize}, the size of keys, got ${valueSize}; models with values of another size are not supported`,
  );
};

const assertLayerSizes = (sizes: LayerSizes): void => {
  for (const [name, count] of Object.entries(sizes)) assertCount(name, count);
  if (sizes.queryHeads % sizes.kvHeads === 0) return;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected the query heads to be a multiple of the KV heads, got ${sizes.queryHeads} and ${sizes.kvHeads}; convert the model again`,
  );
};

/**
 * Rejects what cannot be a size.
 *
 * @throws ModelError `MODEL_METADATA_INVALID`
 */
export const assertCount = (name: string, count: number): void => {
  if (Number.isSafeInteger(count) && count <= 2 ** 24) return;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected ${name} to be a whole number up to 2^24, got ${count}; convert the model again`,
  );
};

const assertOneHeadSize = (sizes: readonly LayerSizes[]): void => {
  const other = sizes.find(({ headSize }) => headSize !== sizes[0]!.headSize);
  if (other === undefined) return;
  throw new ModelError(
    "MODEL_METADATA_INVALID",
    `expected heads of one size in all layers, got ${sizes[0]!.headSize} and ${other.headSize}, which this architecture does not support; convert the model again`,
  );
};
