import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openSpillFile } from "./spill-file.ts";

const folder = mkdtempSync(join(tmpdir(), "kvtuner-spill-"));

test("reads back what was written anywhere, and leaves no file, not even while it is open", async () => {
  const path = join(folder, "made");
  const file = await openSpillFile(path);
  expect(readdirSync(path)).toEqual([]);
  const numbers = Float32Array.from({ length: 3000 }, (_, index) => Math.sqrt(index));
  await file.write(numbers.subarray(1000), 4000);
  await file.write(numbers.subarray(0, 1000), 0);
  const target = new Float32Array(3002).fill(-1);
  await file.read(target.subarray(1, 3001), 0);
  expect(target).toEqual(Float32Array.of(-1, ...numbers, -1));
  await file.dispose();
  expect(readdirSync(path)).toEqual([]);
});

test("says why when nothing can be written, or less is there than expected", async () => {
  const file = join(folder, "a-file");
  writeFileSync(file, "");
  await expect(openSpillFile(join(file, "below"))).rejects.toMatchObject({
    code: "SPILL_FILE",
    message: expect.stringContaining("KVTUNER_HOME"),
  });
  const short = await openSpillFile(folder);
  await short.write(new Float32Array(2), 0);
  await expect(short.read(new Float32Array(3), 0)).rejects.toMatchObject({ code: "SPILL_FILE" });
  await short.dispose();
});
