import { randomUUID } from "node:crypto";
import { mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import type { SpillFile } from "@kvtuner/evaluation";
import { KvtunerError } from "@kvtuner/plan";
import { systemReason } from "@kvtuner/tuning";
import { kvtunerHome } from "./home.ts";

/**
 * Opens a temporary file for activations. It has no name from then on, so the system deletes it with the process, even one that
 * is killed. The folder of temporary files will not do: on many systems that is in memory.
 *
 * @param folder made if absent
 * @throws SpillError when the disk is full or cannot be written to
 */
export const openSpillFile = async (folder: string = join(kvtunerHome(), "spill")): Promise<SpillFile> => {
  const file = await orExplain(folder, async () => {
    await mkdir(folder, { recursive: true });
    const path = join(folder, randomUUID());
    const opened = await open(path, "wx+", 0o600);
    try {
      await rm(path);
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  });
  return {
    write: (numbers, offset) =>
      orExplain(folder, () =>
        eachPart(numbers, offset, async (part, at) => (await file.write(part, 0, part.length, at)).bytesWritten),
      ),
    read: (numbers, offset) =>
      orExplain(folder, () =>
        eachPart(numbers, offset, async (part, at) => (await file.read(part, 0, part.length, at)).bytesRead),
      ),
    dispose: () => file.close(),
  };
};

/** Calls `move` until all bytes of an array are moved; a single call moves less than 2 GiB, and may move less than asked. */
const eachPart = async (
  { buffer, byteOffset, byteLength }: Float32Array,
  offset: number,
  move: (part: Uint8Array, at: number) => Promise<number>,
): Promise<void> => {
  for (let done = 0; done < byteLength;) {
    const part = new Uint8Array(buffer, byteOffset + done, Math.min(2 ** 30, byteLength - done));
    const moved = await move(part, offset + done);
    if (moved === 0) throw new Error(`the file ends ${byteLength - done} bytes early`);
    done += moved;
  }
};

const orExplain = async <Result>(folder: string, act: () => Promise<Result>): Promise<Result> => {
  try {
    return await act();
  } catch (error) {
    throw new SpillError(folder, error);
  }
};

/** Activations that could not be written to disk, or not read back. */
export class SpillError extends KvtunerError {
  constructor(folder: string, cause: unknown) {
    super(
      "SPILL_FILE",
      `cannot hold activations in a temporary file in ${folder}: ${systemReason(cause)}; free disk space, use fewer or shorter samples, or set KVTUNER_HOME to a folder on another disk`,
      { cause },
    );
    this.name = "SpillError";
  }
}
