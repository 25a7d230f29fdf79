import {
  blockTokens,
  type CacheShape,
  type LayerScheme,
  layerScheme,
  type Mode,
  MODES,
  PAIR_BITS,
  plainAttention,
  schemeLabel,
  type TensorScheme,
} from "@kvtuner/plan";
import type { CachePlan } from "../../backend.ts";
import type { Capabilities, SchemeFamily } from "../../capabilities.ts";
import { schemesOf, supportsScheme } from "../../nearest-scheme.ts";
import type { Subject } from "../backend-under-test.ts";

/** Head sizes found in models. */
export const HEAD_SIZES = [32, 64, 80, 96, 128, 256, 512] as const;

/** The claimed ones of {@link HEAD_SIZES}; the backend's own if it claims none of them. */
export const claimedHeadSizes = ({ headSizes }: Capabilities): readonly number[] => {
  if (headSizes === "any") return HEAD_SIZES;
  const known = HEAD_SIZES.filter((size) => headSizes.includes(size));
  return known.length > 0 ? known : headSizes;
};

/** A small shape that the backend claims: 2 layers, 4 query heads on 2 KV heads. */
export const smallShape = ({ backend }: Subject, changes: Partial<CacheShape> = {}): CacheShape => ({
  layers: 2,
  queryHeads: 4,
  kvHeads: 2,
  headSize: Math.min(...claimedHeadSizes(backend.capabilities)),
  ...changes,
});

/** A plan whose layers cycle through the schemes. */
export const planOf = (shape: CacheShape, ...schemes: readonly LayerScheme[]): CachePlan => ({
  shape,
  layers: Array.from({ length: shape.layers }, (_, layer) => schemes[layer % schemes.length]!),
});

/** The model in which each layer has the next of some spans in tokens; Infinity for a full layer. */
export const withSpans = (shape: CacheShape, ...spans: readonly number[]): CacheShape => ({
  ...shape,
  perLayer: Array.from({ length: shape.layers }, (_, layer) => {
    const span = spans[layer % spans.length]!;
    return span === Infinity
      ? {}
      : { attention: { ...plainAttention(shape.headSize), mask: { kind: "sliding" as const, span } } };
  }),
});

/** A plan with the assets that the suite was given. */
export const withAssets = ({ options: { assets } }: Subject, plan: CachePlan): CachePlan =>
  assets ? { ...plan, assets } : plan;

/** Every scheme that some families claim, in blocks of one group or token and in larger ones. */
export const claimedSchemes = (families: readonly SchemeFamily[], headSize: number): TensorScheme[] =>
  families.flatMap((family, index) =>
    schemesOf(family, 1, headSize)
      .filter((scheme) => fitsHead(scheme, headSize))
      .map((scheme, place) => ((place + index) % 3 === 1 ? inLargerBlocks(scheme) : scheme)),
  );

const fitsHead = (scheme: TensorScheme, headSize: number): boolean =>
  scheme.kind !== "affine" || scheme.axis === "channel" || scheme.groupSize === "head" || scheme.groupSize <= headSize;

const inLargerBlocks = (scheme: TensorScheme): TensorScheme => {
  if (!("blockSize" in scheme)) return scheme;
  const isChannel = scheme.kind === "affine" && scheme.axis === "channel";
  return { ...scheme, blockSize: isChannel ? 2 * scheme.blockSize : 24 };
};

/** True if the backend claims a layer's keys and values. */
export const isClaimed = ({ backend }: Subject, { key, value }: LayerScheme): boolean =>
  supportsScheme(backend.capabilities.key, key) && supportsScheme(backend.capabilities.value, value);

/** The named modes with every pair of bits that the backend claims. */
export const claimedModes = (subject: Subject, modes: readonly Mode[] = MODES): LayerScheme[] => {
  return modes
    .flatMap((mode) => PAIR_BITS.flatMap((key) => PAIR_BITS.map((value) => layerScheme(mode, { key, value }))))
    .filter((layer) => isClaimed(subject, layer));
};

/** Pairs that cover every claimed scheme, with residencies of all kinds. */
export const claimedLayers = (subject: Subject, headSize: number): LayerScheme[] => {
  const { capabilities } = subject.backend;
  const [keys, values] = [claimedSchemes(capabilities.key, headSize), claimedSchemes(capabilities.value, headSize)];
  return Array.from({ length: Math.max(keys.length, values.length) }, (_, index) => ({
    key: keys[index % keys.length]!,
    value: values[(index * STRIDE) % values.length]!,
    residency: { kind: "prefix", sinks: [0, 4, 1, 0][index % 4]!, recent: [0, 5, 32][index % 3]! },
  }));
};

/** Prime, so that values come in another order than keys and all of them occur. */
const STRIDE = 101;

/** A few different layers: claimed modes, the author's own, and claimed schemes. */
export const sampleLayers = (subject: Subject, count = 4): LayerScheme[] => {
  const wanted = [
    layerScheme("kivi", { key: 4, value: 2 }, { sinks: 3 }),
    layerScheme("per-token", { key: 8, value: 4 }),
    layerScheme("compact", { key: 4, value: 3 }),
    layerScheme("kivi", { key: 2, value: 4 }, { recent: 5 }),
    layerScheme("per-token", { key: 16, value: 16 }),
  ].filter((layer) => isClaimed(subject, layer));
  const claimed = claimedLayers(subject, smallShape(subject).headSize);
  const spread = [1, 5, 3, 2, 4].map((part) => claimed[Math.floor((part * (claimed.length - 1)) / 5)]!);
  return [...wanted, ...spread].slice(0, Math.max(count, 1));
};

/** A small shape, with the sample layers. */
export const samplePlan = (subject: Subject): CachePlan => planOf(smallShape(subject), ...sampleLayers(subject));

/** A layer as text for messages. */
export const layerName = ({ key, value, residency: { sinks, recent } }: LayerScheme): string =>
  `keys ${schemeLabel(key)}; values ${schemeLabel(value)}; sinks ${sinks}, recent ${recent}`;

/** Tokens after which every block of a layer has been full at least once. */
export const fullLength = ({ key, value, residency: { sinks, recent } }: LayerScheme): number =>
  sinks + recent + Math.max(blockTokens(key), blockTokens(value)) + 1;
