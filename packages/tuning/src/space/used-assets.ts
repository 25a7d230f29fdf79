import type { Asset, LayerScheme, TensorScheme } from "@kvtuner/plan";

/** The tables that some layers name. */
export const usedAssets = (layers: readonly LayerScheme[], assets: readonly Asset[]): Asset[] => {
  const fields = new Set(layers.flatMap(({ key, value }) => [...fieldsOf(key), ...fieldsOf(value)]));
  return assets.filter(({ name }) => fields.has(name));
};

const fieldsOf = (scheme: TensorScheme): unknown[] => Object.values(scheme);
