import type { CachePlan } from "@kvtuner/backend";
import type { Device } from "../device/device.ts";
import { PagePool } from "./page-pool.ts";
import { Staging } from "./staging.ts";

/** Resources shared by all caches of a backend. */
export interface Workspace {
  readonly device: Device;
  readonly pool: PagePool;
  readonly staging: Staging;
  /** Attention over codes runs on tensor cores where it can. */
  readonly tensorCores: boolean;
  /** Called before a cache stores something in a new way; throws where the kernels for it are known to be wrong. */
  readonly assertPlan: (plan: CachePlan) => void;
}

/** Room for caches on a device; empty. */
export const createWorkspace = (device: Device): Workspace => ({
  device,
  pool: new PagePool(device),
  staging: new Staging(device),
  tensorCores: false,
  assertPlan: () => undefined,
});
