import type * as Cells from "../../../examples/cells.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";
import type { LawName } from "../laws.ts";
import type { Wrapping } from "./wrapped-backend.ts";

/** Functions of one file of `@kvtuner/backend` to replace. */
export interface ChangedCheck {
  /** Path of the file, from `src/`. */
  readonly file: string;
  readonly change: (original: object) => object;
}

/** A mistake that an author may make, and what the law that catches it says. */
export interface Fault {
  readonly law: LawName;
  readonly mistake: string;
  readonly says: RegExp;
  /** A check of `@kvtuner/backend` that is missing or wrong. */
  readonly check?: ChangedCheck;
  /** A wrong function in the example backend. */
  readonly cells?: (original: typeof Cells) => Partial<typeof Cells>;
  readonly wrapping?: Wrapping;
  readonly options?: Partial<BackendUnderTest>;
}
