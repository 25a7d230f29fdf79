import type { Asset, SchemeAssets } from "./asset.ts";
import { type FieldValues, type Heads, literalsOf } from "./codecs/codec-format.ts";
import { assetFault, FORMATS, schemeLabel, type TensorScheme } from "./codecs/registry.ts";
import { KvtunerError } from "./error.ts";

/**
 * The assets that a scheme names, out of those of its plan. A field may name one or say one of its literals instead.
 *
 * @throws AssetError `PLAN_ASSET_UNKNOWN` when the plan has no asset of a name
 */
export const assetsOf = (scheme: TensorScheme, assets: readonly Asset[] = []): SchemeAssets => {
  const fields = Object.entries<FieldValues>(FORMATS[scheme.kind]?.fields ?? {}).filter(([, values]) =>
    values.includes("asset"),
  );
  const named = fields.map(([field, values]) => {
    const value = (scheme as unknown as Record<string, unknown>)[field];
    return { field, name: isLiteral(value, values) ? undefined : (value as string) };
  });
  return Object.fromEntries(
    named.flatMap(({ field, name }) => (name === undefined ? [] : [[field, assetNamed(scheme, name, assets)]])),
  );
};

/** A name of an asset is text that is none of the field's literals. */
const isLiteral = (value: unknown, values: FieldValues): boolean =>
  typeof value !== "string" || literalsOf(values).includes(value);

/**
 * Checks that a plan has the assets that a scheme names, of the types, shapes and contents that it can use.
 *
 * @param heads those of the layer's keys, or values
 * @throws AssetError `PLAN_ASSET_UNKNOWN`, `PLAN_ASSET_UNFIT`
 */
export const assertAssetsFit = (scheme: TensorScheme, heads: Heads, assets: readonly Asset[] = []): void => {
  const fault = assetFault(scheme, heads, assetsOf(scheme, assets));
  if (fault === undefined) return;
  throw new AssetError(
    "PLAN_ASSET_UNFIT",
    `expected assets ${fault}, for ${schemeLabel(scheme)}; calibrate again with this model, or use the asset file that was written with the plan`,
  );
};

const assetNamed = (scheme: TensorScheme, wanted: string, assets: readonly Asset[]): Asset => {
  const asset = assets.find(({ name }) => name === wanted);
  if (asset) return asset;
  const names = assets.map(({ name }) => name).join(", ") || "none";
  throw new AssetError(
    "PLAN_ASSET_UNKNOWN",
    `expected the plan to have an asset ${wanted} for ${schemeLabel(scheme)}, got ${names}; pass the assets of the plan file`,
  );
};

/** A scheme names an asset that its plan lacks, or one that it cannot use; `code` says which. */
export class AssetError extends KvtunerError {
  override readonly name = "AssetError";
}
