import type { Heads } from "./codecs/codec-format.ts";
import { FLOAT16 } from "./codecs/float16.ts";
import { bitsOf, layoutOf, partBytes, schemeOfHead, type TensorScheme } from "./codecs/registry.ts";
import { heldTokens } from "./held.ts";
import type { Plan } from "./plan.ts";
import type { CacheShape, LayerScheme, LayerShape } from "./scheme.ts";
import { layerShape, layerShapes, layerSpan, tensorShape } from "./shape.ts";

const EXACT_BYTES = 2;

/**
 * Bytes of the keys, or of the values, by part. Parts are named as in the codec's layout (`codes`, `scales`, ...); `exact`
 * holds the tokens in 16 bits.
 */
export type TensorBytes = Readonly<Record<string, number>>;

/** Bytes of a cache. */
export interface CacheBytes {
  /** By tensor and part, such as `key.codes` or `value.exact`. Parts of zero bytes are left out. */
  readonly parts: Readonly<Record<string, number>>;
  readonly total: number;
}

/** Bytes of a cache, from those of its keys and values. */
export const cacheBytes = (key: TensorBytes, value: TensorBytes): CacheBytes =>
  sumParts(
    Object.entries({ key, value }).flatMap(([tensor, bytes]) =>
      Object.entries(bytes).map(([part, count]) => [`${tensor}.${part}`, count] as const),
    ),
  );

const sumParts = (counts: readonly (readonly [part: string, bytes: number])[]): CacheBytes => {
  const parts: Record<string, number> = {};
  let total = 0;
  for (const [part, bytes] of counts) {
    if (bytes > 0) parts[part] = (parts[part] ?? 0) + bytes;
    total += bytes;
  }
  return { parts, total };
};

/**
 * Exact bytes of one layer's cache at `length` tokens. Where layers differ in size or span, `shape` is this layer's. A layer
 * with a span holds only the tokens that `heldTokens` says.
 */
export const layerBytes = (layer: LayerScheme, shape: LayerShape, length: number): CacheBytes =>
  cacheBytes(tensorBytes("key", layer, shape, length), tensorBytes("value", layer, shape, length));

const tensorBytes = (name: "key" | "value", layer: LayerScheme, shape: LayerShape, length: number): TensorBytes =>
  heldBytes(layer[name], tensorShape(shape, name), heldTokens(layer[name], layer, layerSpan(shape), length));

/** Bytes of the keys, or of the values, from the numbers of tokens in codes and in 16 bits. */
export const heldBytes = (
  tensor: TensorScheme,
  { kvHeads, headSize }: Heads,
  tokens: { readonly coded: number; readonly exact: number },
): TensorBytes => {
  const bytes: Record<string, number> = {};
  for (let head = 0; head < kvHeads; head++)
    for (const part of layoutOf(schemeOfHead(tensor, head), { tokens: tokens.coded, headSize }))
      bytes[part.name] = (bytes[part.name] ?? 0) + partBytes(part);
  return { ...bytes, exact: kvHeads * headSize * tokens.exact * EXACT_BYTES };
};

/** Exact bytes of a whole plan's cache at `length` tokens. */
export const planBytes = (plan: Pick<Plan, "layers" | "shape">, length: number): CacheBytes =>
  sumBytes(plan.layers.map((layer, index) => layerBytes(layer, layerShape(plan.shape, index), length)));

/** Adds up the bytes of layers, part by part. No layers take no bytes; `parsePlan` and backends reject such plans. */
export const sumBytes = (layers: readonly CacheBytes[]): CacheBytes =>
  sumParts(layers.flatMap(({ parts }) => Object.entries(parts)));

/** Numbers in the keys and values that a 16-bit cache of `length` tokens holds, over all layers. */
export const storedNumbers = (shape: CacheShape, length: number): number =>
  layerShapes(shape).reduce((sum, layer) => {
    const { kvHeads, headSize, valueSize = headSize } = layer;
    return sum + kvHeads * (headSize + valueSize) * heldExactly(layer, length);
  }, 0);

/** Tokens that a layer holds in 16 bits if none is coded. */
const heldExactly = (shape: LayerShape, length: number): number =>
  heldTokens(FLOAT16, { residency: { kind: "prefix", sinks: 0, recent: 0 } }, layerSpan(shape), length).exact;

/** Bits per stored number at `length` tokens, with everything counted: codes, parameters and tokens kept in 16 bits. */
export const trueBits = (plan: Pick<Plan, "layers" | "shape">, length: number): number => planSize(plan, length).bits;

/** What a plan costs at a context length. */
export interface PlanSize {
  /** Mean bits a stored number takes, everything counted. */
  readonly bits: number;
  /** The paper's mean of key and value bits, codes alone. */
  readonly equivalentBits: number;
  readonly bytes: number;
  readonly bytesByPart: CacheBytes;
}

/** Bits and bytes of a plan at `length` tokens. */
export const planSize = (plan: Pick<Plan, "layers" | "shape">, length: number): PlanSize => {
  const bytesByPart = planBytes(plan, length);
  const bits = (8 * bytesByPart.total) / storedNumbers(plan.shape, length);
  return { bits, equivalentBits: equivalentBits(plan), bytes: bytesByPart.total, bytesByPart };
};

/** The paper's equivalent bits: mean bits of key and value codes over layers (KVTuner, section 5.3). */
export const equivalentBits = (plan: Pick<Plan, "layers">): number =>
  plan.layers.reduce((sum, { key, value }) => sum + bitsOf(key) + bitsOf(value), 0) / (2 * plan.layers.length);
