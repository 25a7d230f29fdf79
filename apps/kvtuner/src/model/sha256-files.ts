import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** SHA-256 of the bytes of all files, one after another, as `cat FILES | sha256sum` prints it. Reads in pieces. */
export const sha256Files = async (paths: readonly string[]): Promise<string> => {
  const hash = createHash("sha256");
  for (const path of paths)
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Uint8Array);
  return hash.digest("hex");
};
