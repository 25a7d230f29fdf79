import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { parseTask } from "@kvtuner/evaluation";
import {
  commandOptions,
  fillOptions,
  OptionError,
  STUDY_OPTIONS,
  TASK_OPTIONS,
  type Given,
  type ReadTask,
  type TaskFile,
} from "@kvtuner/tuning";
import { readText } from "../calibration/text.ts";
import type { TaskRequest } from "../options.ts";
import { shortNames } from "./short-names.ts";

/**
 * Reads task files and checks the options that belong to them.
 *
 * @throws KvtunerError for an unreadable file, an invalid line, and options out of range
 */
export const readTask = (request: TaskRequest): ReadTask => {
  fillOptions({ ...TASK_OPTIONS, seed: STUDY_OPTIONS.seed }, request);
  if (request.shotsFrom !== undefined && (request.shots ?? 0) === 0)
    throw new OptionError("shots-from", "used with --shots of at least 1", "none");
  const paths = typeof request.task === "string" ? [request.task] : request.task;
  if (paths.length === 0) throw new OptionError("task", "at least one file", "none");
  if (paths.includes("")) throw new OptionError("task", "names of files", "an empty one among them");
  const shotsFrom = request.shotsFrom === undefined ? undefined : readFile(request.shotsFrom, "", "shots-from");
  const names = shortNames(paths);
  const files = paths.map((path, index) => readFile(path, names[index] ?? path, "task"));
  assertAllDiffer(paths);
  return { request, files, shotsFrom };
};

/** Compares paths however they are spelled: prompts of a file given twice would count twice. */
const assertAllDiffer = (paths: readonly string[]): void => {
  const pathOf = new Map<string, string>();
  for (const path of paths) {
    const file = realpathSync(path);
    const first = pathOf.get(file);
    if (first !== undefined)
      throw new OptionError(
        "task",
        "files that all differ",
        first === path ? `${path} twice` : `${first} and ${path}, one file twice`,
      );
    pathOf.set(file, path);
  }
};

const readFile = (path: string, name: string, option: string): TaskFile => {
  const text = readText(path, option);
  return { path, name, items: parseTask(text, path), checksum: createHash("sha256").update(text).digest("hex") };
};

/**
 * Rejects task options without a task, which would have no effect.
 *
 * @throws OptionError naming the first of them
 */
export const assertNoTaskOptions = (options: Given<typeof TASK_OPTIONS>): void => {
  for (const [name, value] of commandOptions(TASK_OPTIONS, options))
    throw new OptionError(name, "given with --task, whose prompts it is about", `${value || "it"} alone`);
};
