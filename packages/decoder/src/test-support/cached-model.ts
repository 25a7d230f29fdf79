import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Path of SmolLM2 in the cache folder; undefined before `npm run model -- smollm2`. */
export const cachedModel = (): string | undefined => {
  const home = process.env["KVTUNER_HOME"] ?? join(homedir(), ".cache", "kvtuner");
  const path = join(home, "models", "smollm2.gguf");
  return existsSync(path) ? path : undefined;
};
