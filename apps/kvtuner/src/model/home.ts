import { homedir } from "node:os";
import { join } from "node:path";

/** Folder of fetched models and of calibration texts; `KVTUNER_HOME` moves it, unless it is empty. */
export const kvtunerHome = (): string => process.env["KVTUNER_HOME"] || join(homedir(), ".cache", "kvtuner");
