import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inspect } from "../inspect.ts";
import { resolveModel } from "./resolve.ts";

const NOBODY = 65534;

/** Root can read everything. */
const isRoot = process.geteuid?.() === 0;

describe.skipIf(process.platform === "win32")("a path that may not be read", () => {
  let folder = "";

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "kvtuner-closed-"));
    chmodSync(folder, 0o755);
    for (const name of ["closed.gguf", "closed.json"]) {
      writeFileSync(join(folder, name), "{}");
      chmodSync(join(folder, name), 0);
    }
    mkdirSync(join(folder, "locked"));
    writeFileSync(join(folder, "locked", "x.gguf"), "GGUF");
    chmodSync(join(folder, "locked"), 0);
    symlinkSync("loop", join(folder, "loop"));
    if (isRoot) process.seteuid?.(NOBODY);
  });

  afterEach(() => {
    if (isRoot) process.seteuid?.(0);
    chmodSync(join(folder, "locked"), 0o755);
  });

  test.each([
    ["closed.gguf", "MODEL_UNREADABLE", "MODEL_UNREADABLE"],
    ["closed.json", "MODEL_UNREADABLE", "PLAN_FILE_UNREADABLE"],
    ["locked/x.gguf", "MODEL_NOT_FOUND", "TARGET_UNKNOWN"],
    ["loop", "MODEL_NOT_FOUND", "TARGET_UNKNOWN"],
  ])("%s is an error with a code: %s as a model, %s to inspect", async (name, asModel, toInspect) => {
    const path = join(folder, name);
    const message = expect.stringContaining(path);
    await expect(resolveModel(path)).rejects.toMatchObject({ code: asModel, message });
    await expect(inspect({ target: path })).rejects.toMatchObject({ code: toInspect, message });
  });
});
