import type { CachePlan } from "@kvtuner/backend";
import type { Device } from "../device/device.ts";
import { PagePool } from "./page-pool.ts";
import { Staging } from "./staging.ts";

/** Resources shared by all caches of a backend. */
export interface Workspace {
  readonly device: Device;
  readonly pool: PagePool;
  readonly staging: Staging;
  /** Whether supported codes are attended to on tensor cores. */
  readonly tensorCores: boolean;
  /** Called before a cache uses a plan. Throws if a kernel for it is known to be wrong. */
  readonly assertPlan: (plan: CachePlan) => void;
}

export const createWorkspace = (device: Device): Workspace => ({
  device,
  pool: new PagePool(device),
  staging: new Staging(device),
  tensorCores: false,
  assertPlan: () => undefined,
});
