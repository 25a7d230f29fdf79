import { type CacheShape, KvtunerError, layerShapes, type Part, sizesOf } from "@kvtuner/plan";
import type { PartArray } from "@kvtuner/quantizers";
import type { CachePlan } from "../backend.ts";
import type { CacheImage, HeadImage } from "./cache-image.ts";
import { checksum } from "./checksum.ts";
import type { HeadSizes } from "./head-sizes.ts";
import {
  assetSums,
  CHECKSUM_BYTES,
  MAGIC,
  PREAMBLE_BYTES,
  type SnapshotHeader,
  storedHeads,
  VERSION,
} from "./layout.ts";

/**
 * Reads a snapshot from `writeSnapshot`. Compares every length with the available bytes before it allocates anything.
 *
 * @param shape shape of the cache to restore; snapshot and `plan` must both fit it
 * @returns the cache, in arrays of its own
 * @throws SnapshotError `SNAPSHOT_CORRUPT`, `SNAPSHOT_VERSION`, or `SNAPSHOT_FOREIGN` for another shape or plan
 */
export const readSnapshot = async (bytes: Uint8Array, shape: CacheShape, plan: CachePlan): Promise<CacheImage> => {
  // Not slice(): of a Node Buffer that is a view into a larger buffer.
  const copy = new Uint8Array(bytes);
  assertPreamble(copy);
  await assertChecksum(copy);
  const headerBytes = new DataView(copy.buffer).getUint32(MAGIC.length + 4, true);
  const header = readHeader(copy.subarray(0, -CHECKSUM_BYTES), headerBytes);
  await assertOwn(header, shape, plan);
  const sizes = storedHeads({ shape, layers: plan.layers, length: header.length });
  assertTotal(copy.length, PREAMBLE_BYTES + headerBytes + CHECKSUM_BYTES, sizes);
  const heads = readHeads(copy, PREAMBLE_BYTES + headerBytes, sizes);
  return { shape, layers: plan.layers, length: header.length, tensors: inLayers(heads, shape) };
};

const assertPreamble = (bytes: Uint8Array<ArrayBuffer>): void => {
  const start = MAGIC.every((byte, index) => bytes[index] === byte);
  if (!start || bytes.length < PREAMBLE_BYTES + CHECKSUM_BYTES)
    throw corrupt(`${PREAMBLE_BYTES + CHECKSUM_BYTES} bytes or more that start with KVTCACHE`, `${bytes.length} bytes`);
  const version = new DataView(bytes.buffer).getUint32(MAGIC.length, true);
  if (version !== VERSION)
    throw new SnapshotError(
      "SNAPSHOT_VERSION",
      `expected a snapshot of version ${VERSION}, got ${version}, which another version of KVTuner wrote; take the snapshot again with this one`,
    );
};

const assertChecksum = async (bytes: Uint8Array<ArrayBuffer>): Promise<void> => {
  const expected = bytes.subarray(-CHECKSUM_BYTES);
  const got = await checksum(bytes.subarray(0, -CHECKSUM_BYTES));
  if (got.some((byte, index) => byte !== expected[index])) throw corrupt("its SHA-256 at the end", "another");
};

const readHeader = (bytes: Uint8Array, headerBytes: number): SnapshotHeader => {
  if (headerBytes > bytes.length - PREAMBLE_BYTES)
    throw corrupt(`a header within ${bytes.length} bytes`, `one of ${headerBytes}`);
  try {
    const text = new TextDecoder().decode(bytes.subarray(PREAMBLE_BYTES, PREAMBLE_BYTES + headerBytes));
    return JSON.parse(text) as SnapshotHeader;
  } catch (cause) {
    throw corrupt("a header in JSON", "something else", { cause });
  }
};

const assertOwn = async (header: SnapshotHeader, shape: CacheShape, plan: CachePlan): Promise<void> => {
  const { length } = header ?? {};
  if (!Number.isSafeInteger(length) || length < 0) throw corrupt("a header with a length", String(length));
  if (!same(header.shape, sizesOf(shape))) throw foreign("shape", header.shape, sizesOf(shape));
  if (!same(header.layers?.length, plan.layers.length))
    throw foreign("layers", header.layers?.length, plan.layers.length);
  for (const [layer, scheme] of plan.layers.entries())
    if (!same(header.layers[layer], scheme)) throw foreign(`layer ${layer}`, header.layers[layer], scheme);
  const sums = await assetSums(plan.assets);
  if (!same(header.assets, sums)) throw foreign("assets", header.assets, sums);
};

/** Deep equality with fields in any order; an array counts as an object of its entries. */
const same = (a: unknown, b: unknown): boolean => {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => same((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
};

const assertTotal = (gotBytes: number, frameBytes: number, sizes: readonly HeadSizes[]): void => {
  const expectedBytes = sizes.reduce((sum, { sizeBytes }) => sum + sizeBytes, frameBytes);
  if (gotBytes !== expectedBytes) throw corrupt(`${expectedBytes} bytes`, `${gotBytes}`);
};

const readHeads = (bytes: Uint8Array<ArrayBuffer>, start: number, sizes: readonly HeadSizes[]): HeadImage[] => {
  let offset = start;
  const take = (sizeBytes: number): ArrayBuffer => bytes.buffer.slice(offset, (offset += sizeBytes));
  const halves = (count: number): Uint16Array => finiteHalves(new Uint16Array(take(2 * count)));
  const read = ({ dtype, elements }: Part): PartArray =>
    dtype === "uint8" ? new Uint8Array(take(elements)) : halves(elements);
  return sizes.map(({ parts, exact }) => ({
    prefix: Object.fromEntries(parts.map((part) => [part.name, read(part)])),
    exact: halves(exact),
  }));
};

/** A checksum does not prove honesty: the author of the bytes also wrote it. */
const finiteHalves = (bits: Uint16Array): Uint16Array => {
  if (bits.some((half) => (half & 0x7c00) === 0x7c00)) throw corrupt("finite numbers", "infinity or NaN");
  return bits;
};

const inLayers = (heads: readonly HeadImage[], shape: CacheShape): CacheImage["tensors"] => {
  let next = 0;
  const take = (count: number): HeadImage[] => heads.slice(next, (next += count));
  return layerShapes(shape).map(({ kvHeads }) => ({ key: take(kvHeads), value: take(kvHeads) }));
};

const corrupt = (expected: string, got: string, options?: { readonly cause?: unknown }): SnapshotError =>
  new SnapshotError(
    "SNAPSHOT_CORRUPT",
    `expected a snapshot with ${expected}, got ${got}; it is truncated or damaged; take a new snapshot`,
    options,
  );

const foreign = (what: string, got: unknown, expected: unknown): SnapshotError =>
  new SnapshotError(
    "SNAPSHOT_FOREIGN",
    `expected a snapshot of this model and plan, got another ${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}; restore it with the plan it was taken with`,
  );

/** Bytes that are not a snapshot of this cache; `code` says why. */
export class SnapshotError extends KvtunerError {
  override readonly name = "SnapshotError";
}
