import type { CacheBytes } from "@kvtuner/plan";
import type { StoredLayer } from "./stored-layer.ts";
import { type TensorBytes, tensorBytes } from "./tensor-bytes.ts";

/** Bytes of the arrays of all layers, by part. */
export const cacheBytes = (layers: readonly StoredLayer[]): CacheBytes => {
  const key = sumOf(layers.map((layer) => tensorBytes(layer.key)));
  const value = sumOf(layers.map((layer) => tensorBytes(layer.value)));
  return {
    keyCodes: key.codes,
    keyParameters: key.parameters,
    keyExact: key.exact,
    valueCodes: value.codes,
    valueParameters: value.parameters,
    valueExact: value.exact,
    total: key.codes + key.parameters + key.exact + value.codes + value.parameters + value.exact,
  };
};

const sumOf = (parts: readonly TensorBytes[]): TensorBytes =>
  parts.reduce((a, b) => ({
    codes: a.codes + b.codes,
    parameters: a.parameters + b.parameters,
    exact: a.exact + b.exact,
  }));
