import { bitsOf, layoutOf, partBytes, type TensorScheme } from "./codecs/registry.ts";
import type { Plan } from "./plan.ts";
import { quantizedPrefix } from "./prefix.ts";
import type { CacheShape, LayerScheme } from "./scheme.ts";

const EXACT_BYTES = 2;

/** Bytes of a cache by part. Codes and parameters (scales, minima) of the quantized prefix; `exact` is all held in 16 bits. */
export interface CacheBytes {
  readonly keyCodes: number;
  readonly keyParameters: number;
  readonly keyExact: number;
  readonly valueCodes: number;
  readonly valueParameters: number;
  readonly valueExact: number;
  readonly total: number;
}

/** Bytes of the keys, or of the values, by part. */
export interface TensorBytes {
  readonly codes: number;
  readonly parameters: number;
  readonly exact: number;
}

/** Bytes of a cache whose keys and values take so many. */
export const cacheBytes = (key: TensorBytes, value: TensorBytes): CacheBytes => ({
  keyCodes: key.codes,
  keyParameters: key.parameters,
  keyExact: key.exact,
  valueCodes: value.codes,
  valueParameters: value.parameters,
  valueExact: value.exact,
  total: key.codes + key.parameters + key.exact + value.codes + value.parameters + value.exact,
});

/** Exact bytes of one layer's cache at `length` tokens. */
export const layerBytes = (layer: LayerScheme, shape: CacheShape, length: number): CacheBytes =>
  cacheBytes(tensorBytes(layer.key, layer, shape, length), tensorBytes(layer.value, layer, shape, length));

const tensorBytes = (
  tensor: TensorScheme,
  layer: LayerScheme,
  { kvHeads, headSize }: CacheShape,
  length: number,
): TensorBytes => {
  const tokens = quantizedPrefix(tensor, layer, length);
  const bytes = { codes: 0, parameters: 0 };
  if (tokens > 0)
    for (const part of layoutOf(tensor, { tokens, headSize }))
      bytes[part.name === "codes" ? "codes" : "parameters"] += kvHeads * partBytes(part);
  return { ...bytes, exact: kvHeads * headSize * (length - tokens) * EXACT_BYTES };
};

/** Exact bytes of a whole plan's cache at `length` tokens. */
export const planBytes = (plan: Pick<Plan, "layers" | "shape">, length: number): CacheBytes =>
  sumBytes(plan.layers.map((layer) => layerBytes(layer, plan.shape, length)));

/** Adds up the bytes of one or more layers, part by part. */
export const sumBytes = (layers: readonly CacheBytes[]): CacheBytes => layers.reduce(addBytes);

const addBytes = (a: CacheBytes, b: CacheBytes): CacheBytes => ({
  keyCodes: a.keyCodes + b.keyCodes,
  keyParameters: a.keyParameters + b.keyParameters,
  keyExact: a.keyExact + b.keyExact,
  valueCodes: a.valueCodes + b.valueCodes,
  valueParameters: a.valueParameters + b.valueParameters,
  valueExact: a.valueExact + b.valueExact,
  total: a.total + b.total,
});

/** Numbers that the keys and values of `length` tokens consist of, over all layers. */
export const storedNumbers = ({ layers, kvHeads, headSize }: CacheShape, length: number): number =>
  2 * layers * kvHeads * headSize * length;

/** Bits a stored number takes at `length` tokens, everything counted: codes, parameters, and tokens kept in 16 bits. */
export const trueBits = (plan: Pick<Plan, "layers" | "shape">, length: number): number =>
  (8 * planBytes(plan, length).total) / storedNumbers(plan.shape, length);

/** The paper's equivalent bits: mean of key and value bits over layers, codes alone (KVTuner, section 5.3). */
export const equivalentBits = (plan: Pick<Plan, "layers">): number =>
  plan.layers.reduce((sum, { key, value }) => sum + bitsOf(key) + bitsOf(value), 0) / (2 * plan.layers.length);
