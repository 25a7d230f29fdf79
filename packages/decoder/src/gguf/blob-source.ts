import type { ByteSource } from "./byte-source.ts";

/** The methods of `Blob` and `File` in use. */
export interface ReadableBlob {
  /** Name of a `File`. */
  readonly name?: string;
  readonly size: number;
  /** The bytes `start .. end - 1`. */
  readonly slice: (start: number, end: number) => Pick<Response, "arrayBuffer">;
}

/** A source over a file chosen on a page; reads only the requested bytes into memory. */
export const blobSource = (blob: ReadableBlob): ByteSource => ({
  ...(blob.name !== undefined && { name: blob.name }),
  sizeBytes: blob.size,
  read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
});
