import { KvtunerError, sizesOf } from "@kvtuner/plan";
import type { EncodedBlock } from "@kvtuner/quantizers";
import type { CacheImage, HeadImage } from "./cache-image.ts";
import { checksum } from "./checksum.ts";
import type { HeadSizes } from "./head-sizes.ts";
import {
  assetSums,
  CHECKSUM_BYTES,
  headsInOrder,
  MAGIC,
  PREAMBLE_BYTES,
  type SnapshotHeader,
  storedHeads,
  VERSION,
} from "./layout.ts";

/**
 * Writes a cache as bytes that any backend can read: magic, version, a JSON header with shape, layer schemes, length and
 * checksums of the assets; then, layer by layer, keys before values, KV head by KV head, the parts of the codec's layout and
 * the 16-bit rows; finally the SHA-256 of everything. 16-bit numbers are little-endian, as on all machines that run
 * JavaScript today.
 *
 * @throws ImageError `BACKEND_IMAGE` when an array's length does not match shape, schemes and length
 */
export const writeSnapshot = async (image: CacheImage): Promise<Uint8Array<ArrayBuffer>> => {
  const { shape, layers, length } = image;
  const sizes = storedHeads(image);
  const heads = headsInOrder(image);
  assertSizes(heads, sizes);
  const text: SnapshotHeader = { shape: sizesOf(shape), layers, length, assets: await assetSums(image.assets) };
  const header = new TextEncoder().encode(JSON.stringify(text));
  const dataBytes = sizes.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const bytes = new Uint8Array(PREAMBLE_BYTES + header.length + dataBytes + CHECKSUM_BYTES);
  writePreamble(bytes, header.length);
  bytes.set(header, PREAMBLE_BYTES);
  writeHeads(bytes, PREAMBLE_BYTES + header.length, heads, sizes);
  bytes.set(await checksum(bytes.subarray(0, -CHECKSUM_BYTES)), bytes.length - CHECKSUM_BYTES);
  return bytes;
};

const writePreamble = (bytes: Uint8Array<ArrayBuffer>, headerBytes: number): void => {
  bytes.set(MAGIC);
  const view = new DataView(bytes.buffer);
  view.setUint32(MAGIC.length, VERSION, true);
  view.setUint32(MAGIC.length + 4, headerBytes, true);
};

const writeHeads = (
  bytes: Uint8Array,
  start: number,
  heads: readonly HeadImage[],
  sizes: readonly HeadSizes[],
): void => {
  let offset = start;
  for (const [index, head] of heads.entries())
    for (const name of [...sizes[index]!.parts.map((part) => part.name), "exact"]) {
      const array = arraysOf(head)[name]!;
      bytes.set(new Uint8Array(array.buffer, array.byteOffset, array.byteLength), offset);
      offset += array.byteLength;
    }
};

/** The arrays of a head by name. */
const arraysOf = ({ prefix, exact }: HeadImage): EncodedBlock => ({ ...prefix, exact });

const assertSizes = (heads: readonly HeadImage[], sizes: readonly HeadSizes[]): void => {
  if (heads.length !== sizes.length) throw new ImageError("heads", sizes.length, heads.length, 0);
  for (const [index, size] of sizes.entries()) {
    const arrays = arraysOf(heads[index]!);
    const expected = elementsOf(size);
    for (const part of new Set([...Object.keys(expected), ...Object.keys(arrays)])) {
      const [wanted, got] = [expected[part] ?? 0, arrays[part]?.length ?? 0];
      if (got !== wanted) throw new ImageError(part, wanted, got, index);
    }
  }
};

const elementsOf = ({ parts, exact }: HeadSizes): Readonly<Record<string, number>> => ({
  ...Object.fromEntries(parts.map(({ name, elements }) => [name, elements])),
  exact,
});

/** A backend passed an image whose array sizes do not match shape, schemes and length. */
export class ImageError extends KvtunerError {
  constructor(part: string, expected: number, got: number, head: number) {
    super(
      "BACKEND_IMAGE",
      `expected ${expected} ${part} at head ${head} of the image, got ${got}; the backend's own bookkeeping is wrong`,
    );
    this.name = "ImageError";
  }
}
