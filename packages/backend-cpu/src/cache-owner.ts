import type { Capabilities } from "@kvtuner/backend";

/** What a cache asks of its backend. */
export interface CacheOwner {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly disposed: boolean;
}
