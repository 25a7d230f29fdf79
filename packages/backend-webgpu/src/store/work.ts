import type { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import type { GpuLayer } from "./gpu-layer.ts";

export interface Work {
  readonly engine: Engine;
  readonly commands: Commands;
  readonly layer: GpuLayer;
}

export const workOn = (engine: Engine, commands: Commands, layer: GpuLayer): Work => ({
  engine,
  commands,
  layer,
});
