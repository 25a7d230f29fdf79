// Where fetched models lie: the folder that the command line resolves their names in.
import { homedir } from "node:os";
import { join } from "node:path";

const home = () => process.env.KVTUNER_HOME || join(homedir(), ".cache", "kvtuner");

/** Path of a fetched model's file. */
export const modelPath = (name) => join(home(), "models", `${name}.gguf`);
