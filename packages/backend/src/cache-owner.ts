import type { Capabilities } from "./capabilities.ts";

/** The parts of a backend that a {@link StoredCache} uses. */
export interface CacheOwner {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly disposed: boolean;
}
