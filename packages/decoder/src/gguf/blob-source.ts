import type { ByteSource } from "./byte-source.ts";

/** What is used of a `Blob` or `File`. */
export interface ReadableBlob {
  readonly size: number;
  /** The part from `start` up to `end`. */
  readonly slice: (start: number, end: number) => Pick<Response, "arrayBuffer">;
}

/** A source over a file chosen on a page; reads only the requested bytes into memory. */
export const blobSource = (blob: ReadableBlob): ByteSource => ({
  sizeBytes: blob.size,
  read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
});
