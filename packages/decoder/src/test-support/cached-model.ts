import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Path of a model in the cache folder; undefined before `npm run model -- NAME`. */
export const cachedModel = (name = "smollm2"): string | undefined => {
  const home = process.env["KVTUNER_HOME"] ?? join(homedir(), ".cache", "kvtuner");
  const path = join(home, "models", `${name}.gguf`);
  return existsSync(path) ? path : undefined;
};
