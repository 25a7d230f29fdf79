import { KvtunerError } from "@kvtuner/plan";
import { systemReason } from "@kvtuner/tuning";

/**
 * Runs `write`, which writes the file at `path`.
 *
 * @throws StudyWriteError when the system refuses
 */
export const writing = <Result>(path: string, write: () => Result): Result => {
  try {
    return write();
  } catch (cause) {
    throw new StudyWriteError(path, cause);
  }
};

/** A file of ours cannot be written. */
export class StudyWriteError extends KvtunerError {
  constructor(path: string, cause: unknown) {
    super(
      "STUDY_WRITE",
      `cannot write ${path}: ${systemReason(cause)}; fix this and run again; measurements so far are saved`,
      { cause },
    );
    this.name = "StudyWriteError";
  }
}
