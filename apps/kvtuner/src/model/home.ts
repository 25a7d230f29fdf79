import { homedir } from "node:os";
import { join } from "node:path";

/** Folder of fetched models, of calibration texts and of what was measured of GPUs; `KVTUNER_HOME` moves it, unless it is empty. */
export const kvtunerHome = (): string => process.env["KVTUNER_HOME"] || join(homedir(), ".cache", "kvtuner");
