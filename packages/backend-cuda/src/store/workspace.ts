import type { Device } from "../device/device.ts";
import { PagePool } from "./page-pool.ts";
import { Staging } from "./staging.ts";

/** What all caches of a backend share. */
export interface Workspace {
  readonly device: Device;
  readonly pool: PagePool;
  readonly staging: Staging;
  /** Attention over codes runs on tensor cores where it can. */
  readonly tensorCores: boolean;
}

/** Room for caches on a device; empty. */
export const createWorkspace = (device: Device, tensorCores: boolean): Workspace => ({
  device,
  pool: new PagePool(device),
  staging: new Staging(device),
  tensorCores,
});
