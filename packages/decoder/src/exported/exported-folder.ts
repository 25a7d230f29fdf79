import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { TokenizerFiles } from "../tokenizer/tokenizer-json.ts";
import { ExportError } from "./export-error.ts";
import { type ExportedModel, openExported } from "./exported-model.ts";

/** A model directory, with the files that `loadExported` and `loadTokenizer` need. */
export interface ExportedFolder {
  readonly model: ExportedModel;
  /** The folder that was given, or that of the ONNX file, without its `onnx`. */
  readonly folder: string;
  /** The folder's name. */
  readonly name: string;
  /** Where the files of weights are, which are not read here. */
  readonly weightsFolder: string;
  /** The ONNX file and its files of weights. */
  readonly paths: readonly [string, ...string[]];
  readonly tokenizer: TokenizerFiles;
}

/** Where exporters put the ONNX file of the text model, below the folder. */
const MODEL_FOLDERS = ["", "onnx"];

/**
 * Opens a model directory as published for onnxruntime-genai, Optimum or transformers.js: `model.onnx`, maybe in `onnx/`,
 * with `genai_config.json` or `config.json`, and `tokenizer.json`. If there are several ONNX files, pass the path of one.
 *
 * @param path of the directory or of an ONNX file in it
 * @throws ExportError `EXPORT_FILES` when one is missing or several fit, and those of {@link openExported}
 */
export const openExportedFolder = async (path: string): Promise<ExportedFolder> => {
  const file = await modelFile(path);
  const weightsFolder = dirname(file);
  const folders = [weightsFolder, ...(basename(weightsFolder) === "onnx" ? [dirname(weightsFolder)] : [])];
  const config = await firstFile(folders, ["genai_config.json", "config.json"]);
  const model = openExported(await readFile(file), { text: await readFile(config, "utf8"), file: basename(config) });
  const weights = await Promise.all(model.weightFiles.map((name) => firstFile([weightsFolder], [name])));
  return {
    model,
    folder: folders.at(-1)!,
    name: basename(resolve(folders.at(-1)!)),
    weightsFolder,
    paths: [file, ...weights],
    tokenizer: {
      tokenizer: await readFile(await firstFile(folders, ["tokenizer.json"]), "utf8"),
      ...(await optionalFile(folders, "tokenizer_config.json", "config")),
      ...(await optionalFile(folders, "generation_config.json", "generation")),
      ...(await optionalFile(folders, "chat_template.jinja", "chatTemplate")),
    },
  };
};

/** Whether a path is a directory with an ONNX model, or an ONNX file. */
export const isExportedFolder = async (path: string): Promise<boolean> =>
  path.endsWith(".onnx") ? isFile(path) : (await onnxFiles(path)).length > 0;

const modelFile = async (path: string): Promise<string> => {
  if ((await stat(path)).isFile()) return path;
  const files = await onnxFiles(path);
  const plain = files.filter((file) => basename(file) === "model.onnx");
  const [only, ...others] = plain.length > 0 ? plain : files;
  if (only !== undefined && others.length === 0) return only;
  throw new ExportError(
    "EXPORT_FILES",
    `expected model.onnx or one other ONNX file in ${path}, got ${files.map((file) => basename(file)).join(", ") || "none"}; pass the path of the ONNX file`,
  );
};

const onnxFiles = async (path: string): Promise<string[]> => {
  const files: string[] = [];
  for (const folder of MODEL_FOLDERS)
    for (const name of await readdir(join(path, folder)).catch(() => []))
      if (name.endsWith(".onnx")) files.push(join(path, folder, name));
  return files;
};

const isFile = async (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isFile(),
    () => false,
  );

const firstFile = async (folders: readonly string[], names: readonly string[]): Promise<string> => {
  for (const folder of folders)
    for (const name of names) if (await isFile(join(folder, name))) return join(folder, name);
  throw new ExportError(
    "EXPORT_FILES",
    `expected ${names.join(" or ")} in ${folders.join(" or ")}, got none; download it from where the model is from`,
  );
};

const optionalFile = async <Key extends string>(
  folders: readonly string[],
  name: string,
  key: Key,
): Promise<{ readonly [key in Key]?: string }> => {
  for (const folder of folders)
    if (await isFile(join(folder, name)))
      return { [key]: await readFile(join(folder, name), "utf8") } as { readonly [key in Key]?: string };
  return {};
};
