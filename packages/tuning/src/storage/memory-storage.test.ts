import { expect, test } from "vitest";
import { memoryStorage } from "./memory-storage.ts";

test("a study in memory is locked by one run at a time", async () => {
  const storage = memoryStorage();
  const lock = await storage.lock();
  await expect(storage.lock()).rejects.toMatchObject({ code: "STUDY_BUSY" });
  await lock.release();
  await (await storage.lock()).release();
});
