import { KvtunerError } from "@kvtuner/plan";

/** A shape that the backend does not support: sizes, grouping of the query heads, or how a layer attends. */
export class UnsupportedShapeError extends KvtunerError {
  constructor(message: string) {
    super("BACKEND_UNSUPPORTED_SHAPE", message);
    this.name = "UnsupportedShapeError";
  }
}
