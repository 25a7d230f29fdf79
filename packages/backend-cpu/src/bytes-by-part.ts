import type { CacheBytes } from "@kvtuner/plan";

/** Bytes of a tensor of one layer, by part. */
export interface TensorBytes {
  readonly codes: number;
  readonly parameters: number;
  readonly exact: number;
}

/** Bytes of the keys and of the values of all layers, by part. */
export interface LayerTensorBytes {
  readonly key: TensorBytes;
  readonly value: TensorBytes;
}

/** Adds up all layers. */
export const bytesByPart = (layers: readonly LayerTensorBytes[]): CacheBytes => {
  const key = sumOf(layers.map((layer) => layer.key));
  const value = sumOf(layers.map((layer) => layer.value));
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
