import { partNames } from "@kvtuner/decoder/node";
import { formatBytes } from "@kvtuner/plan";
import { HubError } from "./hub-error.ts";
import { formatHubName, type HubName } from "./hub-name.ts";

/** A file of a repository. */
export interface HubFile {
  /** Path in the repository, with `/`. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** GGUF files that are no language models: vision projectors and importance matrices. */
const OTHER_GGUF = /(^|[/_.-])(mmproj|imatrix)/i;

/**
 * Chooses the files of one model: the named one with all parts of its split model, the only one whose name ends with the
 * named tag, like `Q4_K_M`, or without a name the only one there is.
 *
 * @throws HubError `HUB_FILE` listing the GGUF files with their sizes
 */
export const chooseFiles = <File extends HubFile>(name: HubName, files: readonly File[]): [File, ...File[]] => {
  const { file, ...repository } = name;
  const models = modelsOf(files);
  const found = file === undefined ? models : models.filter((parts) => parts.some(({ path }) => path === file));
  const matching = found.length > 0 || file === undefined ? found : models.filter(hasTag(file));
  if (matching.length === 1) return matching[0]!;
  const place = formatHubName(repository);
  const got = file === undefined ? "none" : JSON.stringify(file);
  if (models.length === 0)
    throw new HubError("HUB_FILE", `expected GGUF files in ${place}, got none; use a repository of GGUF files`);
  throw new HubError(
    "HUB_FILE",
    `expected a GGUF file of ${place}, as in ${formatHubName({ ...repository, file: models[0]![0].path })}, got ${got}; it has ${models.map(described).join(", ")}`,
  );
};

const hasTag =
  (tag: string) =>
  ([first]: readonly [HubFile, ...HubFile[]]): boolean => {
    const stem = first.path.replace(/(-\d{5}-of-\d{5})?\.gguf$/i, "").toLowerCase();
    return ["-", "."].some((separator) => stem.endsWith(`${separator}${tag.toLowerCase()}`));
  };

/** The models of a repository, in parts, sorted by name. Leaves out split models that lack a part. */
const modelsOf = <File extends HubFile>(files: readonly File[]): [File, ...File[]][] => {
  const byPath = new Map(files.map((file) => [file.path, file]));
  return files
    .filter(({ path }) => /\.gguf$/i.test(path) && !OTHER_GGUF.test(path))
    .filter(({ path }) => (partNames(path)?.[0] ?? path) === path)
    .map((file) => (partNames(file.path) ?? [file.path]).flatMap((path) => byPath.get(path) ?? []) as [File, ...File[]])
    .filter((parts) => parts.length === (partNames(parts[0].path)?.length ?? 1))
    .toSorted(([one], [other]) => (one.path < other.path ? -1 : 1));
};

const described = (parts: readonly [HubFile, ...HubFile[]]): string => {
  const size = formatBytes(parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
  return `${parts[0].path} (${parts.length > 1 ? `${parts.length} parts, ` : ""}${size})`;
};
