import { KvtunerError } from "@kvtuner/plan";
import { reasonOf } from "./storage/reason.ts";

/** A plan file that cannot be read, or that holds no plan: then the code is the one `parsePlan` gives. */
export class PlanUnreadableError extends KvtunerError {
  constructor(path: string, cause: unknown) {
    const [code, message] = KvtunerError.isInstance(cause)
      ? [cause.code, `${path}: ${cause.message}`]
      : [
          "PLAN_FILE_UNREADABLE",
          `expected a plan file at ${path}, such as the plan.json of a study, but ${reasonOf(cause)}`,
        ];
    super(code, message, { cause });
    this.name = "PlanUnreadableError";
  }
}
