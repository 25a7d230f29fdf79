/** How it stands: as it should be, missing without harm, or in the way of running KVTuner. */
export type FindingStatus = "ok" | "absent" | "problem";

/** What was looked at, what was found, what it means, and what to do about it. */
export interface Finding {
  /** What was looked at, like `node` or `webgpu`; stable. */
  readonly name: string;
  readonly status: FindingStatus;
  /** What was found, in a few words. */
  readonly found: string;
  readonly meaning: string;
  /** Present where something can be done. */
  readonly advice?: string;
}
