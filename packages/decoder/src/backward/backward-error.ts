import { KvtunerError } from "@kvtuner/plan";

/** A model whose gradients cannot be computed; `code` tells why. */
export class BackwardError extends KvtunerError {
  override readonly name = "BackwardError";
}

/** A graph of another form than those that can be differentiated. */
export const unsupported = (got: string): BackwardError =>
  new BackwardError(
    "BACKWARD_UNSUPPORTED",
    `expected a model of operators with a known derivative, got ${got}; measure this model by forward passes`,
  );
