import { open } from "node:fs/promises";
import type { ByteSource } from "./byte-source.ts";

/** A file as a byte source; `close` gives the handle back. */
export interface FileSource extends ByteSource {
  /** Gives the file handle back. */
  close(): Promise<void>;
}

/** Opens a file for reading. */
export const openFileSource = async (path: string): Promise<FileSource> => {
  const handle = await open(path, "r");
  const { size } = await handle.stat();
  return {
    sizeBytes: size,
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
        if (bytesRead === 0)
          throw new RangeError(
            `expected ${length} bytes at ${offset} of ${path}, the file ended; it changed while it was read`,
          );
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
};
