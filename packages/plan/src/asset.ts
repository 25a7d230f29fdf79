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
