import type { Capabilities } from "./capabilities.ts";

/** What a {@link StoredCache} asks of its backend. */
export interface CacheOwner {
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly disposed: boolean;
}
