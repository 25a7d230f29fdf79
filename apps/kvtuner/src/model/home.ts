import { homedir } from "node:os";
import { join } from "node:path";

/** Folder of fetched models, their checksums, segments, calibration texts and GPU measurements. A nonempty `KVTUNER_HOME` moves it. */
export const kvtunerHome = (): string => process.env["KVTUNER_HOME"] || join(homedir(), ".cache", "kvtuner");
