import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { dawnAdapter } from "./dawn-adapter.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-dawn-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Replaces Dawn; writes warnings to stderr as Dawn does. */
const moduleOf = (name: string, requestAdapter: string): string => {
  const path = join(folder, `${name}.mjs`);
  const warning = `process.stderr.write("Warning: vkCreateInstance: Found no drivers!\\n");`;
  writeFileSync(path, `${warning}\nexport const create = () => ({ async requestAdapter() { ${requestAdapter} } });\n`);
  return path;
};

test("returns an adapter or none, with or without warnings", async () => {
  const info = { vendor: "example", architecture: "e1", device: "0x1", description: "", isFallbackAdapter: false };
  const limits = `limits: { maxStorageBufferBindingSize: 128 }`;
  const adapter = `{ info: ${JSON.stringify(info)}, features: new Set(["shader-f16"]), ${limits} }`;
  expect(await dawnAdapter(moduleOf("adapter", `return ${adapter};`))).toEqual({
    info,
    features: ["shader-f16"],
    maxBindingBytes: 128,
  });
  expect(await dawnAdapter(moduleOf("none", "return null;"))).toBe(undefined);
});

test("rejects with the error that was thrown, or with the crash", async () => {
  await expect(dawnAdapter(moduleOf("throws", `throw new TypeError("no library");`))).rejects.toThrow(
    "TypeError: no library",
  );
  await expect(dawnAdapter(moduleOf("crashes", `process.kill(process.pid, "SIGSEGV");`))).rejects.toThrow("SIGSEGV");
});
