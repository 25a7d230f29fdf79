import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStudy, type Study, type StudySettings } from "@kvtuner/tuning";
import { describe, expect, test } from "vitest";
import { folderStorage } from "./folder-storage.ts";

const SETTINGS: StudySettings = {
  version: 2,
  model: { name: "tiny", architecture: "llama", sha256: "00" },
  shape: { layers: 2, queryHeads: 2, kvHeads: 1, headSize: 32 },
  mode: "compact",
  pairs: ["K8V8", "K4V4"],
  sinks: 4,
  recent: 32,
  context: 4096,
  text: "self",
  samples: 1,
  sampleLength: 64,
  evaluations: 10,
  seed: 0,
  strategy: "surrogate",
  measure: "kl",
  cost: "true",
  focus: null,
};

const newFolder = (): string => join(mkdtempSync(join(tmpdir(), "kvtuner-study-")), "study");

const open = (path: string, settings: StudySettings = SETTINGS): Promise<Study> =>
  openStudy(folderStorage(path), settings, () => undefined);

const openAndClose = async (path: string): Promise<void> => (await open(path)).close();

describe("study folder", () => {
  test("keeps bytes that are not text", async () => {
    const storage = folderStorage(newFolder());
    await (await storage.lock()).release();
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index);
    await storage.write("plan.safetensors", bytes);
    expect(Uint8Array.from((await storage.readBytes("plan.safetensors")) ?? [])).toEqual(bytes);
    expect(await storage.readBytes("plan.json")).toBeUndefined();
  });

  test("does a step once", async () => {
    const path = newFolder();
    let made = 0;
    for (let run = 0; run < 2; run++) {
      const folder = await open(path);
      expect(await folder.step("groups", async () => ({ groups: [[made++]] }))).toEqual({ groups: [[0]] });
      await folder.close();
    }
    expect(readdirSync(path).toSorted()).toEqual(["groups.json", "settings.json"]);
  });

  test("names every setting that differs, with both values, and touches nothing", async () => {
    const path = newFolder();
    await openAndClose(path);
    const before = readFileSync(join(path, "settings.json"), "utf8");
    const other = {
      ...SETTINGS,
      seed: 5,
      sampleLength: 65,
      focus: 900,
      pairs: ["K8V8"],
      model: { ...SETTINGS.model, sha256: "ff" },
    };
    const error = await expectError(open(path, other));
    expect(error.code).toBe("STUDY_DIFFERS");
    for (const part of [
      "--seed 0 there, 5 now",
      "--sample-length 64 there, 65 now",
      "--budget or --bits, in bytes, none there, 900 now",
      '--pairs ["K8V8","K4V4"] there, ["K8V8"] now',
      'model.sha256 "00" there, "ff" now',
    ]) {
      expect(error.message).toContain(part);
    }
    expect(error.message).not.toContain("context");
    expect(readFileSync(join(path, "settings.json"), "utf8")).toBe(before);
    await openAndClose(path);
  });

  test("rejects a folder that holds something else, and does not change it", async () => {
    const path = newFolder();
    mkdirSync(path);
    writeFileSync(join(path, "thesis.tex"), "dear");
    expect(await expectError(open(path))).toMatchObject({
      code: "STUDY_FOLDER",
      message: expect.stringContaining("thesis.tex"),
    });
    expect(readdirSync(path)).toEqual(["thesis.tex"]);
  });

  test.each([
    ["/proc/kvtuner-study", "it cannot be written: ENOENT"],
    [join(import.meta.dirname, "folder-storage.ts"), "it is a file"],
    [join(import.meta.dirname, "folder-storage.ts", "study"), "it cannot be written: ENOTDIR"],
    ["", 'at "", but it cannot be written'],
  ])("rejects %j, which cannot be a folder, and says why", async (path, reason) => {
    expect(await expectError(open(path))).toMatchObject({
      code: "STUDY_FOLDER",
      message: expect.stringContaining(reason),
    });
  });

  test("settings that exist but cannot be read are not overwritten", async () => {
    const path = newFolder();
    mkdirSync(join(path, "settings.json"), { recursive: true });
    expect(await expectError(open(path))).toMatchObject({
      code: "STUDY_SETTINGS_UNREADABLE",
      message: expect.stringContaining("EISDIR"),
    });
    expect(readdirSync(path)).toEqual(["settings.json"]);
  });

  test("of two concurrent runs the second is rejected and names the first", async () => {
    const path = newFolder();
    const first = await open(path);
    expect(await expectError(open(path))).toMatchObject({
      code: "STUDY_BUSY",
      message: expect.stringContaining(`process ${process.pid}`),
    });
    await first.close();
    await openAndClose(path);
  });

  test("the lock of a killed process is taken over, even if its pid was reused", async () => {
    const path = newFolder();
    await openAndClose(path);
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    for (const lock of [
      { pid: dead, processStart: "1" },
      { pid: process.pid, processStart: "1" },
    ]) {
      writeFileSync(join(path, "lock"), JSON.stringify({ ...lock, since: "2026-01-01T00:00:00Z" }));
      await openAndClose(path);
    }
    expect(existsSync(join(path, "lock"))).toBe(false);
  });

  test.each(["", "yarn 3.1", "{}", '{"pid":1}'])(
    "a file named lock that holds %j is not ours and stays",
    async (content) => {
      const path = newFolder();
      mkdirSync(path);
      writeFileSync(join(path, "lock"), content);
      expect((await expectError(open(path))).code).toBe("STUDY_LOCK_UNKNOWN");
      expect(readdirSync(path)).toEqual(["lock"]);
      expect(readFileSync(join(path, "lock"), "utf8")).toBe(content);
    },
  );

  test("temporary files of others stay, those of a killed run are removed", async () => {
    const path = newFolder();
    mkdirSync(path);
    writeFileSync(join(path, "thesis.1234.tmp"), "dear");
    expect((await expectError(open(path))).message).toContain("thesis.1234.tmp");
    rmSync(join(path, "thesis.1234.tmp"));
    for (const name of ["settings.json.12.tmp", "lock.12.tmp", "lock.stale.12.tmp"])
      writeFileSync(join(path, name), "");
    await openAndClose(path);
    expect(readdirSync(path)).toEqual(["settings.json"]);
    writeFileSync(join(path, "notes.1234.tmp"), "mine");
    await openAndClose(path);
    expect(readdirSync(path).toSorted()).toEqual(["notes.1234.tmp", "settings.json"]);
  });

  test("the lock of another running process is respected", async () => {
    const path = newFolder();
    await openAndClose(path);
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    try {
      const start = readFileSync(`/proc/${other.pid}/stat`, "utf8").split(" ")[21];
      writeFileSync(join(path, "lock"), JSON.stringify({ pid: other.pid, processStart: start, since: "now" }));
      expect((await expectError(open(path))).code).toBe("STUDY_BUSY");
    } finally {
      other.kill();
      await once(other, "exit");
    }
    await openAndClose(path);
  });
});

const expectError = async (work: Promise<unknown>): Promise<Error & { code: string }> => {
  try {
    await work;
  } catch (error) {
    return error as Error & { code: string };
  }
  throw new Error("expected an error");
};
