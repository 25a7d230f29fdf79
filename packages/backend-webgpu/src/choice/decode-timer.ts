import { type CacheShape, type LayerScheme, layerScheme } from "@kvtuner/plan";
import { Commands } from "../device/commands.ts";
import { Engine } from "../device/engine.ts";
import type { Variant } from "../kernels/variant.ts";
import { attendPiece } from "../store/attend-piece.ts";
import { type AttendPlan, planAttention, plannedSources } from "../store/attend-plan.ts";
import type { GpuLayer } from "../store/gpu-layer.ts";
import { workOn } from "../store/work.ts";
import { filledLayer } from "./filled-layer.ts";

/** What is timed: decoding with so many tokens in the cache. */
export interface TimedProblem {
  readonly shape: CacheShape;
  readonly tokens: number;
}

/** Of the formats that are worth a GPU: keys per channel and per token, and twice the bytes. */
const LAYERS: readonly LayerScheme[] = [
  layerScheme("kivi", { key: 4, value: 4 }),
  layerScheme("per-token", { key: 4, value: 4 }),
  layerScheme("per-token", { key: 8, value: 8 }),
];

/** Attention of one token over filled layers, that can be run as often as one likes, for it changes nothing. */
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
   * Fills layers for kernels, and compiles these.
   *
   * @throws KernelError when the device cannot compile them
   * @throws OutOfMemoryError when it has no room
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

  /** Milliseconds that so many calls in a row take, each of one token in each layer; it is waited for the last one only. */
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

  /** Gives everything back. */
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

/** Some of the outputs, which are there when all is done. */
const PROBE_BYTES = 4;
