import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { filesChecksum } from "./file-checksum.ts";

const LONG_AGO_MS = 60_000;

let folder: string;
let records: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kvtuner-checksum-"));
  records = join(folder, "checksums");
  vi.stubEnv("KVTUNER_HOME", folder);
  vi.useRealTimers();
});

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

const write = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** As if files just written were written long ago. */
const later = (): void => {
  vi.useFakeTimers({ now: Date.now() + LONG_AGO_MS, toFake: ["Date"] });
};

/** Puts another checksum in the only record, to see whether it is used. */
const plant = (): void => {
  const [name] = readdirSync(records);
  const path = join(records, name!);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), sha256: PLANTED }));
};

const PLANTED = "0".repeat(64);

test("is that of the bytes of all files in order", async () => {
  const paths = [write("a", "one"), write("b", "two")];
  expect(await filesChecksum(paths)).toBe(sha256("onetwo"));
  expect(await filesChecksum(paths.toReversed())).toBe(sha256("twoone"));
});

test("is remembered, and read again once a file of the same size and time of modification has changed", async () => {
  const path = write("a", "one");
  later();
  await filesChecksum([path]);
  plant();
  expect(await filesChecksum([path])).toBe(PLANTED);
  const { atime, mtime } = statSync(path);
  writeFileSync(path, "two");
  utimesSync(path, atime, mtime);
  expect(await filesChecksum([path])).toBe(sha256("two"));
});

test("is not remembered of a file that has just changed, and a damaged record is not used", async () => {
  const path = write("a", "one");
  await filesChecksum([path]);
  expect(readdirSync(folder)).not.toContain("checksums");
  later();
  await filesChecksum([path]);
  writeFileSync(join(records, readdirSync(records)[0]!), "{");
  expect(await filesChecksum([path])).toBe(sha256("one"));
});
