import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { embeddedModelUrl } from "@kvtuner/embedded-model";
import { KvtunerError } from "@kvtuner/plan";
import { reasonOf } from "@kvtuner/tuning";
import { statIfThere } from "../study/stat-if-there.ts";
import { kvtunerHome } from "./home.ts";

/** The model of `@kvtuner/embedded-model`, which is a dependency. */
export const EMBEDDED = "embedded";

/** Models that `npm run model -- NAME` fetches. */
export const FETCHED_MODEL_NAMES = ["smollm2", "qwen05", "gemma3-270m"] as const;

/** Names accepted instead of a path. */
const MODEL_NAMES: readonly string[] = [EMBEDDED, ...FETCHED_MODEL_NAMES];

/** Whether `text` is the name of a model. */
export const isModelName = (text: string): boolean => MODEL_NAMES.includes(text);

/**
 * Path of the GGUF file of `model`, a path or a model's name.
 *
 * @throws ModelNotFoundError saying what to fetch, or which file to put where
 * @throws ModelUnreadableError when the file exists but may not be read
 */
export const resolveModel = (model: string): string => {
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
  `expected the path of a GGUF file or one of ${MODEL_NAMES.join(", ")}, got ${JSON.stringify(model)}, which is not a file; check the path`;

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
