import type * as Cells from "../../../examples/cells.ts";
import type * as Checks from "../../index.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";
import type { LawName } from "../laws.ts";
import type { Wrapping } from "./wrapped-backend.ts";

/** A mistake that an author may make, and what the law that catches it says. */
export interface Fault {
  readonly law: LawName;
  readonly mistake: string;
  readonly says: RegExp;
  /** A check of `@kvtuner/backend` that was forgotten, or done otherwise. */
  readonly checks?: (original: typeof Checks) => Partial<typeof Checks>;
  /** A function of the example's own that is wrong. */
  readonly cells?: (original: typeof Cells) => Partial<typeof Cells>;
  readonly wrapping?: Wrapping;
  readonly options?: Partial<BackendUnderTest>;
}
