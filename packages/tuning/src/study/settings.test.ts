import { KvtunerError } from "@kvtuner/plan";
import { expect, test } from "vitest";
import { withChecksum } from "../storage/checksum.ts";
import { memoryStorage } from "../storage/memory-storage.ts";
import { readSettings } from "./settings.ts";

test.each([1, 3])("settings of version %j say that another version wrote them", async (version) => {
  const storage = memoryStorage();
  await storage.write("settings.json", withChecksum(JSON.stringify({ version, windows: 2, windowLength: 512 })));
  await expect(readSettings(storage)).rejects.toMatchObject({
    code: "STUDY_SETTINGS_UNREADABLE",
    message: expect.stringMatching(/settings\.json, but another version of KVTuner wrote it; move the folder away$/),
  });
});

test("settings of a comparison say so", async () => {
  const storage = memoryStorage();
  await storage.write("settings.json", withChecksum(JSON.stringify({ version: 1, calibrationSamples: 2 })));
  await expect(readSettings(storage)).rejects.toMatchObject({
    code: "STUDY_SETTINGS_UNREADABLE",
    message: expect.stringContaining("the folder holds a comparison, not a study; "),
  });
});

test.each([
  [new Error("the database, or its disk, is full"), "the database, or its disk, is full;"],
  [new KvtunerError("ANY", "expected a, got b"), "it is invalid: expected a, got b;"],
  [Object.assign(new Error("EACCES: denied, open 'a, b'"), { syscall: "open" }), "it cannot be read: EACCES: denied;"],
])("settings that cannot be read state the whole reason: %s", async (error, reason) => {
  const read = async (): Promise<never> => {
    throw error;
  };
  const storage = { ...memoryStorage(), read };
  await expect(readSettings(storage)).rejects.toThrow(reason);
});
