import {
  constants,
  copyFileSync,
  linkSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import type { ExportedFolder } from "@kvtuner/decoder/node";
import { ExportFileError } from "../export-file-error.ts";
import { makeFolder } from "../study/make-folder.ts";

/** Kinds of files beside a model that describe it or its tokenizer. */
const DESCRIPTIONS = new Set([".json", ".jinja", ".txt", ".model"]);

/**
 * Copies the directory of a model with another ONNX file in place of its own. Files of weights are linked, or copied by the
 * file system; other variants of the model are left out.
 *
 * @throws ExportFileError when `out` exists or cannot be written; nothing is left of it then
 */
export const copyExported = (
  { folder, paths: [file, ...weights] }: ExportedFolder,
  model: Uint8Array,
  out: string,
): void => {
  const place = (path: string): string => join(out, relative(folder, path));
  make(out);
  try {
    const folders = [...new Set([folder, dirname(file)])];
    for (const path of folders.flatMap(descriptionsIn)) copyInto(path, place(path));
    for (const path of weights) share(path, inFolderOf(place(path)));
    writeFileSync(inFolderOf(place(file)), model);
  } catch (cause) {
    rmSync(out, { recursive: true, force: true });
    throw new ExportFileError(out, cause);
  }
};

const make = (out: string): void => {
  try {
    makeFolder(dirname(out));
    mkdirSync(out);
  } catch (cause) {
    throw new ExportFileError(out, cause);
  }
};

const descriptionsIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && DESCRIPTIONS.has(extname(entry.name)))
    .map(({ name }) => join(folder, name));

const inFolderOf = (path: string): string => {
  mkdirSync(dirname(path), { recursive: true });
  return path;
};

const copyInto = (source: string, target: string): void =>
  copyFileSync(source, inFolderOf(target), constants.COPYFILE_FICLONE);

/** One file under two names. Not every file system can do so, nor between two of them. */
const share = (source: string, target: string): void => {
  try {
    linkSync(realpathSync(source), target);
  } catch {
    copyInto(source, target);
  }
};
