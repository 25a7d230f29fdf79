import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { openFileSource } from "./file-source.ts";

const written = (bytes: Uint8Array): string => {
  const folder = mkdtempSync(join(tmpdir(), "file-source-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "x"), bytes);
  return join(folder, "x");
};

test("a file whose size cannot be had is closed again", async () => {
  const path = written(Uint8Array.of(1, 2, 3));
  const probe = await open(path, "r");
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  const failure = new Error("no size");
  const stat = vi.spyOn(prototype, "stat").mockRejectedValueOnce(failure);
  onTestFinished(() => stat.mockRestore());
  await expect(openFileSource(path)).rejects.toBe(failure);
  const handle = stat.mock.contexts[0] as FileHandle;
  expect(handle.fd).toBe(-1); // closed
});
