// The folder of fetched models, where the command line looks up their names.
import { homedir } from "node:os";
import { join } from "node:path";

const home = () => process.env.KVTUNER_HOME || join(homedir(), ".cache", "kvtuner");

/** Path of a fetched model's file. */
export const modelPath = (name) => join(home(), "models", `${name}.gguf`);
