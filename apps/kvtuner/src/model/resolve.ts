import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isExportedFolder } from "@kvtuner/decoder/node";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { fetchHubModel, isHubName } from "@kvtuner/hub";
import { KvtunerError } from "@kvtuner/plan";
import { type Callbacks, callbacksOf, reasonOf } from "@kvtuner/tuning";
import { statIfThere } from "../study/stat-if-there.ts";
import { kvtunerHome } from "./home.ts";

/** The model of `@kvtuner/embedded-model`, which is a dependency. */
export const EMBEDDED = "embedded";

/** Models that `npm run model -- NAME` fetches. */
export const FETCHED_MODEL_NAMES = ["smollm2", "qwen05", "gemma3-270m"] as const;

/** Names accepted instead of a path. */
const MODEL_NAMES: readonly string[] = [EMBEDDED, ...FETCHED_MODEL_NAMES];

/** Whether `text` is the name of a model of ours. */
export const isModelName = (text: string): boolean => MODEL_NAMES.includes(text);

/** What finding a model's file needs: callbacks, and whether models of the hub must be there already. */
export interface ModelAccess extends Callbacks {
  readonly offline?: boolean;
}

/** A model's file. */
export interface ResolvedModel {
  /** The first part of a split model, or the part that was given. */
  readonly path: string;
  /** Whether it is a directory with an ONNX model, or its file; otherwise a GGUF file. */
  readonly isExport: boolean;
  /** A model of the hub with the commit of its files. */
  readonly source?: string;
}

/**
 * The file of `model`: the path of a GGUF file or of a directory with an ONNX model, `hf:OWNER/NAME[:FILE][@REVISION]`, which is downloaded, or a model's name.
 *
 * @throws ModelNotFoundError saying what to fetch, or which file to put where
 * @throws ModelUnreadableError when the file exists but may not be read
 * @throws HubError when a model of the hub cannot be had
 */
export const resolveModel = async (model: string, access: ModelAccess = callbacksOf({})): Promise<ResolvedModel> => {
  if (!isFile(model) && isHubName(model)) return fromHub(model, access);
  const isExport = await isExportedFolder(model);
  return { path: isExport ? model : localModel(model), isExport };
};

const MEGABYTE = 1e6;

const fromHub = async (model: string, { progress, warn, signal, offline }: ModelAccess): Promise<ResolvedModel> => {
  const { paths, source } = await fetchHubModel(model, {
    offline: offline === true,
    onNotice: warn,
    onProgress: (done, total, note) => {
      const [doneMb, totalMb] = [done, total].map((bytes) => Math.ceil(bytes / MEGABYTE)) as [number, number];
      progress({ step: "download", done: doneMb, total: totalMb, note });
    },
    ...(signal && { signal }),
  });
  return { path: paths[0], isExport: false, source };
};

const localModel = (model: string): string => {
  if (isFile(model)) return readable(model);
  if (model === EMBEDDED) return fileURLToPath(embeddedModelUrl);
  if (!isModelName(model)) throw new ModelNotFoundError(unknownModel(model));
  const path = join(kvtunerHome(), "models", `${model}.gguf`);
  if (isFile(path)) return readable(path);
  throw new ModelNotFoundError(
    `expected the model ${model} at ${path}, got no file; run \`npm run model -- ${model}\`, or put its GGUF file there`,
  );
};

const unknownModel = (model: string): string =>
  `expected the path of a GGUF file or of a directory with an ONNX model, hf:OWNER/NAME, or one of ${MODEL_NAMES.join(", ")}, got ${JSON.stringify(model)}, which is not a file; check the path`;

const readable = (path: string): string => {
  try {
    closeSync(openSync(path, "r"));
    return path;
  } catch (cause) {
    throw new ModelUnreadableError(path, cause);
  }
};

const isFile = (path: string): boolean => statIfThere(path)?.isFile() ?? false;

/** No model file where one was expected. */
export class ModelNotFoundError extends KvtunerError {
  constructor(message: string) {
    super("MODEL_NOT_FOUND", message);
    this.name = "ModelNotFoundError";
  }
}

/** A model file that may not be read. */
export class ModelUnreadableError extends KvtunerError {
  constructor(path: string, cause: unknown) {
    super(
      "MODEL_UNREADABLE",
      `expected a readable model file at ${path}, but ${reasonOf(cause)}; check its permissions`,
      { cause },
    );
    this.name = "ModelUnreadableError";
  }
}
