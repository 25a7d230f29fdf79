import type { TensorScheme } from "@kvtuner/plan";
import type { CodedLayers } from "./method.ts";

/** The same layers with a prefix before the name of each table, so that tables of two settings can stand side by side. */
export const prefixedAssets = (prefix: string, { layers, assets = [] }: CodedLayers): CodedLayers => {
  if (assets.length === 0) return { layers };
  const renamed = new Map(assets.map(({ name }) => [name, `${prefix}/${name}`]));
  const schemeOf = (scheme: TensorScheme): TensorScheme =>
    Object.fromEntries(
      Object.entries(scheme).map(([field, value]: [string, unknown]) => [field, renamed.get(value as string) ?? value]),
    ) as unknown as TensorScheme;
  return {
    layers: layers.map((layer) => ({ ...layer, key: schemeOf(layer.key), value: schemeOf(layer.value) })),
    assets: assets.map((asset) => ({ ...asset, name: renamed.get(asset.name)! })),
  };
};
