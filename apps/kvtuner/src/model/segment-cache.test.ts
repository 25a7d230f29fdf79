import { existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesToWrite, folderBytes } from "./segment-cache.ts";

const newFolder = (): string => mkdtempSync(join(tmpdir(), "kvtuner-segment-cache-"));

describe("a folder of segments", () => {
  test("counts all files below it, and none before it exists", () => {
    const folder = newFolder();
    mkdirSync(join(folder, "a", "b"), { recursive: true });
    writeFileSync(join(folder, "one"), "12345");
    writeFileSync(join(folder, "a", "b", "two"), "123");
    expect(folderBytes(folder)).toBe(8);
    expect(folderBytes(join(folder, "none"))).toBe(0);
  });

  test("needs what is missing, nothing once it is written, and an error on a disk without that much space", () => {
    const folder = newFolder();
    writeFileSync(join(folder, "one"), new Uint8Array(1000));
    expect(bytesToWrite(folder, 3000)).toBe(2000);
    expect(bytesToWrite(folder, 1010)).toBe(0);
    const missing = join(folder, "not", "there");
    expect(bytesToWrite(missing, 500)).toBe(500);
    expect(() => bytesToWrite(missing, 1e18)).toThrow(
      expect.objectContaining({
        code: "SEGMENTS_DISK",
        message: expect.stringMatching(/of free disk space for .*there.*, got .*KVTUNER_HOME/) as unknown,
      }),
    );
    expect(existsSync(missing)).toBe(false);
  });
});
