import { KvtunerError } from "@kvtuner/plan";
import { systemReason } from "@kvtuner/tuning";

/** The setting cannot be written to its file or folder. */
export class ExportFileError extends KvtunerError {
  constructor(path: string, cause: unknown) {
    const exists = cause instanceof Error && "code" in cause && cause.code === "EEXIST";
    super(
      exists ? "EXPORT_FILE_EXISTS" : "EXPORT_FILE",
      exists
        ? `expected a new path, got ${path}, which exists; use another --out or remove it`
        : `writing ${path} failed: ${systemReason(cause)}; use another --out`,
      { cause },
    );
    this.name = "ExportFileError";
  }
}
