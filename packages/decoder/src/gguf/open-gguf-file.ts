import { basename } from "node:path";
import { type FileSource, openFileSource } from "./file-source.ts";
import { GgufError } from "./gguf-error.ts";
import type { GgufFile } from "./gguf.ts";
import { type GgufPart, joinParts, missingParts, openPart, partNames, partPosition, partSuffix } from "./split-gguf.ts";

/** A model on disk, in one file or in parts. */
export interface OpenedGguf {
  readonly gguf: GgufFile;
  /** Its files, in order; several for a split model. */
  readonly paths: readonly [string, ...string[]];
  /** Closes the files. */
  close(): Promise<void>;
}

/**
 * Opens a GGUF file. For a part of a split model (`NAME-00001-of-00003.gguf`), whichever it is, also opens the other parts,
 * found by name in the same folder.
 *
 * @throws GgufError `GGUF_PART_NAME`, and those of `openGgufParts`
 */
export const openGgufFile = async (path: string): Promise<OpenedGguf> => {
  const sources: FileSource[] = [];
  const close = async (): Promise<void> => void (await Promise.all(sources.map((source) => source.close())));
  const open = async (name: string): Promise<FileSource> => {
    const source = await openFileSource(name);
    sources.push(source);
    return source;
  };
  try {
    const given = await openPart(await open(path), path);
    const paths = pathsOf(given);
    const others = await openOthers(paths, path, open);
    return { gguf: joinParts([given, ...others]), paths, close };
  } catch (error) {
    await close();
    throw error;
  }
};

const pathsOf = ({ name, file }: GgufPart): [string, ...string[]] => {
  const position = partPosition(file);
  if (position.count === 1) return [name];
  const suffix = partSuffix(position);
  const paths = name.endsWith(suffix) ? partNames(name) : undefined;
  if (paths) return paths as [string, ...string[]];
  throw new GgufError(
    "GGUF_PART_NAME",
    `expected the name of part ${position.index + 1} of ${position.count} of a split model to end with ${suffix}, got ${basename(name)}; name the parts as they were when split, so that the others can be found`,
  );
};

const openOthers = async (
  paths: readonly string[],
  given: string,
  open: (path: string) => Promise<FileSource>,
): Promise<GgufPart[]> => {
  const missing: string[] = [];
  const parts: GgufPart[] = [];
  for (const path of paths) {
    if (path === given) continue;
    try {
      parts.push(await openPart(await open(path), path));
    } catch (error) {
      if (!isSystemError(error)) throw error;
      missing.push(`${path} (${error.code})`);
    }
  }
  if (missing.length > 0) throw missingParts(paths.length, missing);
  return parts;
};

const isSystemError = (error: unknown): error is NodeJS.ErrnoException => error instanceof Error && "syscall" in error;
