import type { CacheBytes } from "@kvtuner/plan";
import type { PackedStore } from "./packed-store.ts";
import type { TensorBytes } from "./packed-tensor.ts";

/** Bytes in use of all layers, by part. */
export const storeBytes = ({ layers }: PackedStore): CacheBytes => {
  const key = sumOf(layers.map((layer) => layer.key.bytes(layer.length)));
  const value = sumOf(layers.map((layer) => layer.value.bytes(layer.length)));
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
