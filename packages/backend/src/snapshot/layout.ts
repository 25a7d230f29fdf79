import { type Asset, layerShape, schemeOfHead, tensorShape } from "@kvtuner/plan";
import type { CacheImage, HeadImage } from "./cache-image.ts";
import { checksum } from "./checksum.ts";
import { headSizes, type HeadSizes } from "./head-sizes.ts";

/** First bytes of a snapshot: "KVTCACHE". */
export const MAGIC: Uint8Array = Uint8Array.from("KVTCACHE", (letter) => letter.charCodeAt(0));

/** The version written, and the only one read. */
export const VERSION = 2;

/** Magic, version and header length, both 32 bits, little-endian. */
export const PREAMBLE_BYTES = 16;

/** SHA-256 of everything before it. */
export const CHECKSUM_BYTES = 32;

/** The header's JSON. */
export interface SnapshotHeader extends Pick<CacheImage, "shape" | "layers" | "length"> {
  /** Type, shape and SHA-256 of each asset of the plan, by name; absent without assets. */
  readonly assets?: Readonly<Record<string, string>> | undefined;
}

/** A header's entries for the assets of a plan. */
export const assetSums = async (assets: readonly Asset[] = []): Promise<SnapshotHeader["assets"]> => {
  if (assets.length === 0) return undefined;
  const sumOf = async ({ name, dtype, shape, data }: Asset): Promise<[string, string]> => {
    const sum = await checksum(new Uint8Array(new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
    const hex = Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return [name, `${dtype} [${shape.join(", ")}] ${hex}`];
  };
  return Object.fromEntries(await Promise.all(assets.map(sumOf)));
};

/** Sizes of every head in the order they are stored: layer by layer, keys before values, KV head by KV head. */
export const storedHeads = ({ shape, layers, length }: Omit<SnapshotHeader, "assets">): HeadSizes[] =>
  layers.flatMap((layer, index) => {
    const own = layerShape(shape, index);
    return (["key", "value"] as const).flatMap((tensor) =>
      Array.from({ length: own.kvHeads }, (_, head) =>
        headSizes(schemeOfHead(layer[tensor], head), layer, tensorShape(own, tensor), length),
      ),
    );
  });

/** Heads in the order of {@link storedHeads}. */
export const headsInOrder = ({ tensors }: CacheImage): HeadImage[] =>
  tensors.flatMap(({ key, value }) => [...key, ...value]);
