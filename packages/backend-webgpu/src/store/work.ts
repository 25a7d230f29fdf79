import type { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import type { CallCodes } from "./call-codes.ts";
import type { GpuLayer } from "./gpu-layer.ts";

export interface Work {
  readonly engine: Engine;
  readonly commands: Commands;
  readonly layer: GpuLayer;
  /** What the call encodes on the CPU. */
  readonly codes: CallCodes | undefined;
}

export const workOn = (engine: Engine, commands: Commands, layer: GpuLayer, codes?: CallCodes): Work => ({
  engine,
  commands,
  layer,
  codes,
});
