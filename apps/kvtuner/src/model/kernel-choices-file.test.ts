import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { kernelChoicesFile } from "./kernel-choices-file.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-choices-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("kernels are stored by key, in a folder that need not exist", () => {
  const path = join(folder, "new", "kernels.json");
  expect(kernelChoicesFile(path).get("a")).toBeUndefined();
  kernelChoicesFile(path).set("a", "f32");
  kernelChoicesFile(path).set("b", "f16-subgroups");
  kernelChoicesFile(path).set("a", "f32-packed");
  expect(kernelChoicesFile(path).get("a")).toBe("f32-packed");
  expect(kernelChoicesFile(path).get("b")).toBe("f16-subgroups");
  expect(readdirSync(join(folder, "new"))).toEqual(["kernels.json"]);
});

test.each(["", "{", "null", "[]", '"f32"', '{"a": 5, "b": {"c": "f32"}}'])(
  "a file that holds %j counts as empty, and is replaced",
  (text) => {
    const path = join(folder, "broken.json");
    writeFileSync(path, text);
    expect(kernelChoicesFile(path).get("a")).toBeUndefined();
    kernelChoicesFile(path).set("a", "f32");
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual({ a: "f32" });
  },
);
