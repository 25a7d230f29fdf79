/** Random access to the bytes of a model file. */
export interface ByteSource {
  /** Name or path of the file, for messages. */
  readonly name?: string;
  readonly sizeBytes: number;
  /** Exactly `length` bytes from `offset` on. The caller keeps within `sizeBytes`. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** A source over bytes in memory, for browsers. */
export const bufferSource = (bytes: Uint8Array): ByteSource => ({
  sizeBytes: bytes.byteLength,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
});
