import { MAX_TOKENS } from "../capabilities.ts";
import type { Variant } from "../kernels/variant.ts";
import { Gpu } from "./gpu.ts";
import { OutputTensors } from "./output-tensors.ts";
import { Staging } from "./staging.ts";
import { Workspace } from "./workspace.ts";

/** A device with everything that its caches share. */
export class Engine extends Gpu {
  readonly variant: Variant;
  /** Most tokens of one cache. */
  readonly maxTokens: number;
  readonly staging: Staging = new Staging(this);
  readonly outputs: OutputTensors = new OutputTensors(this, this.staging);
  readonly workspace: Workspace = new Workspace(this);

  constructor(device: GPUDevice, variant: Variant, maxTokens: number = MAX_TOKENS) {
    super(device);
    this.variant = variant;
    this.maxTokens = maxTokens;
  }

  /** Destroys the shared buffers. */
  override dispose(): void {
    this.workspace.clear();
    this.staging.clear();
    this.outputs.clear();
    super.dispose();
  }
}
