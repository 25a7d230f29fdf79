import { type FileHandle, open } from "node:fs/promises";
import type { ByteSource } from "./byte-source.ts";

/** A file as a byte source. */
export interface FileSource extends ByteSource {
  /** Closes the file handle. */
  close(): Promise<void>;
}

/** Node rejects reads of 2 GiB and more. */
const MAX_READ_BYTES = 2 ** 30;

/** Opens a file for reading. */
export const openFileSource = async (path: string): Promise<FileSource> => {
  const handle = await open(path, "r");
  return {
    name: path,
    sizeBytes: await sizeOf(handle),
    read: async (offset, length) => {
      const bytes = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(bytes, done, Math.min(length - done, MAX_READ_BYTES), offset + done);
        if (bytesRead === 0)
          throw new RangeError(
            `expected ${length} bytes at ${offset} of ${path}, got the end of the file; it changed while it was read`,
          );
        done += bytesRead;
      }
      return bytes;
    },
    close: () => handle.close(),
  };
};

const sizeOf = async (handle: FileHandle): Promise<number> => {
  try {
    return (await handle.stat()).size;
  } catch (error) {
    await handle.close();
    throw error;
  }
};
