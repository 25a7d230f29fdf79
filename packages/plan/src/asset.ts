import type { FieldValues } from "./codecs/codec-format.ts";
import { FORMATS, schemeLabel, type TensorScheme } from "./codecs/registry.ts";
import { KvtunerError } from "./error.ts";

interface AssetOf<Type extends string, Data> {
  /** A letter, then letters, digits and `_./-`. Unique in a plan. */
  readonly name: string;
  readonly dtype: Type;
  /** Row-major; `[]` is one number. */
  readonly shape: readonly number[];
  readonly data: Data;
}

/** A static table of a plan, such as a matrix or a codebook. `float16` data hold the bits. */
export type Asset = AssetOf<"float32", Float32Array> | AssetOf<"float16", Uint16Array> | AssetOf<"uint8", Uint8Array>;

/** Bytes of a plan's assets. They do not grow with the context, so `planBytes` leaves them out. */
export const assetBytes = ({ assets = [] }: { readonly assets?: readonly Asset[] }): number =>
  assets.reduce((sum, { data }) => sum + data.byteLength, 0);

/** Assets by the field of a scheme that names them. */
export type SchemeAssets = Readonly<Record<string, Asset>>;

/**
 * The assets that a scheme names, out of those of its plan.
 *
 * @throws AssetError `PLAN_ASSET_UNKNOWN` when the plan has no asset of a name
 */
export const assetsOf = (scheme: TensorScheme, assets: readonly Asset[] = []): SchemeAssets => {
  const fields = Object.entries<FieldValues>(FORMATS[scheme.kind]?.fields ?? {});
  return Object.fromEntries(
    fields
      .filter(([, values]) => values.includes("asset"))
      .map(([field]) => [field, assetNamed(scheme, (scheme as unknown as Record<string, string>)[field]!, assets)]),
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

/** A scheme names an asset that its plan lacks. */
export class AssetError extends KvtunerError {
  override readonly name = "AssetError";
}
