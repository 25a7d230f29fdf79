import { type CacheShape, type LayerScheme, layerScheme } from "@kvtuner/plan";
import { Commands } from "../device/commands.ts";
import { Engine } from "../device/engine.ts";
import type { Variant } from "../kernels/variant.ts";
import { attendPiece } from "../store/attend-piece.ts";
import { type AttendPlan, planAttention, plannedSources } from "../store/attend-plan.ts";
import type { GpuLayer } from "../store/gpu-layer.ts";
import { workOn } from "../store/work.ts";
import { filledLayer } from "./filled-layer.ts";

/** The decode call to time, at a given cache length. */
export interface TimedProblem {
  readonly shape: CacheShape;
  readonly tokens: number;
}

/** Formats worth timing on a GPU: keys per channel, keys per token, and twice the bits. */
const LAYERS: readonly LayerScheme[] = [
  layerScheme("kivi", { key: 4, value: 4 }),
  layerScheme("per-token", { key: 4, value: 4 }),
  layerScheme("per-token", { key: 8, value: 8 }),
];

/** Times attention of one token over filled layers. Attention changes nothing, so calls can repeat. */
export class DecodeTimer {
  readonly variant: Variant;
  readonly #engine: Engine;
  readonly #layers: GpuLayer[] = [];
  #plans: readonly AttendPlan[] = [];

  private constructor(engine: Engine) {
    this.#engine = engine;
    this.variant = engine.variant;
  }

  /**
   * Fills the layers and compiles the kernels.
   *
   * @throws KernelError when the device cannot compile them
   * @throws OutOfMemoryError when the device is full
   */
  static async create(device: GPUDevice, variant: Variant, problem: TimedProblem): Promise<DecodeTimer> {
    const timer = new DecodeTimer(new Engine(device, variant));
    try {
      await timer.#prepare(problem);
      return timer;
    } catch (error) {
      timer.dispose();
      throw error;
    }
  }

  /** Milliseconds for `calls` consecutive calls, each of one token in every layer. Waits only for the last. */
  async time(calls: number): Promise<number> {
    const { staging, workspace } = this.#engine;
    const target = await staging.take(PROBE_BYTES);
    const started = performance.now();
    const commands = new Commands(this.#engine);
    for (let call = 0; call < calls; call++)
      for (const [index, layer] of this.#layers.entries())
        attendPiece(workOn(this.#engine, commands, layer), this.#plans[index]!);
    commands.copy(workspace.get("outputs").gpu, 0, target.gpu, 0, PROBE_BYTES);
    commands.submit();
    await staging.read(target, PROBE_BYTES);
    return performance.now() - started;
  }

  dispose(): void {
    for (const layer of this.#layers) layer.clear(this.#engine);
    this.#engine.dispose();
  }

  async #prepare({ shape, tokens }: TimedProblem): Promise<void> {
    const engine = this.#engine;
    for (const scheme of LAYERS) this.#layers.push(await filledLayer(engine, shape, scheme, tokens));
    this.#plans = this.#layers.map((layer) => planAttention(layer, tokens - 1, 1, engine.limits));
    await engine.prepare(this.#plans.flatMap((plan) => plannedSources(plan, this.variant)));
    await engine.workspace.reserve(shape, shape.queryHeads * Math.max(...this.#plans.map(({ partials }) => partials)));
  }
}

/** Bytes of output to read back: once they arrive, all calls have run. */
const PROBE_BYTES = 4;
