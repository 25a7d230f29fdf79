import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { kvtunerHome } from "../model/home.ts";
import type { TunableModel } from "../model/tunable-model.ts";
import type { RunContext } from "../progress.ts";
import { writeJsonAtomic } from "../study/atomic-file.ts";
import { ownText, type OwnTextOptions } from "./own-text.ts";
import { CALIBRATION_PROMPTS } from "./prompts.ts";

/** Windows of the model's own text, kept under KVTUNER_HOME: sampling it again takes time. */
export const cachedOwnText = async (
  model: TunableModel,
  options: OwnTextOptions,
  run: RunContext,
): Promise<Int32Array[]> => {
  const path = cachePath(model, options);
  if (path !== undefined && existsSync(path)) return readCache(path);
  const onProgress = (done: number, total: number): void => {
    run.signal?.throwIfAborted();
    run.progress({ step: "calibrate", done, total });
  };
  const windows = await ownText(model, { ...options, onProgress });
  if (path !== undefined) writeCache(path, windows);
  return windows;
};

/** Undefined for a model without a checksum: nothing says that it is the same one next time. */
const cachePath = ({ identity }: TunableModel, { windows, windowLength, seed }: OwnTextOptions): string | undefined => {
  if (identity.sha256 === undefined) return undefined;
  const key = JSON.stringify([identity.sha256, windows, windowLength, seed, CALIBRATION_PROMPTS]);
  return join(kvtunerHome(), "own-text", `${createHash("sha256").update(key).digest("hex")}.json`);
};

const readCache = (path: string): Int32Array[] =>
  (JSON.parse(readFileSync(path, "utf8")) as number[][]).map((window) => Int32Array.from(window));

const writeCache = (path: string, windows: readonly Int32Array[]): void => {
  mkdirSync(join(path, ".."), { recursive: true });
  writeJsonAtomic(
    path,
    windows.map((window) => [...window]),
  );
};
