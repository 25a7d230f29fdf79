import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { appendPiece } from "./append-piece.ts";
import { attendPiece } from "./attend-piece.ts";
import { type AttendPlan, plannedSources, planPieces } from "./attend-plan.ts";
import type { GpuLayer } from "./gpu-layer.ts";
import { truncateLayer } from "./truncate-layer.ts";
import type { RowsOfCall } from "./uploaded-rows.ts";
import { workOn } from "./work.ts";

/** A submitted call. */
export interface SentCall {
  readonly layer: GpuLayer;
  readonly lengthBefore: number;
  /** The device's error for this call, or null. After an error none of its commands run. */
  readonly refusal: Promise<GPUError | null>;
  /** True once the device has accepted it. */
  isTaken: boolean;
}

/**
 * Appends the tokens of a call to a layer and attends with their queries, one submit per piece. Copies the outputs to
 * `target`, float32 `[tokens, queryHeads * headSize]`.
 *
 * @throws OutOfMemoryError before the layer changes
 * @throws DeviceLostError `BACKEND_DEVICE_LOST`
 */
export const attendCall = async (
  engine: Engine,
  layer: GpuLayer,
  tokens: number,
  rows: RowsOfCall,
  target: GPUBuffer,
): Promise<SentCall> => {
  engine.loss.assertThere();
  await layer.reserve(engine, layer.length + tokens);
  const plans = planPieces(layer, tokens, engine.limits);
  await engine.prepare(plans.flatMap((plan) => plannedSources(layer, plan, engine.variant)));
  await engine.workspace.reserve(layer.shape, Math.max(...plans.map((plan) => partialVectors(layer, plan))));
  return sent(engine, layer, () => {
    for (const plan of plans) attendPlan(engine, layer, plan, rows, target, plan.position - plans[0]!.position);
  });
};

const sent = (engine: Engine, layer: GpuLayer, send: () => void): SentCall => {
  const lengthBefore = layer.length;
  engine.device.pushErrorScope("validation");
  try {
    send();
  } catch (error) {
    truncateLayer(engine, layer, lengthBefore);
    // The error of `send` is thrown; this one adds nothing.
    engine.device.popErrorScope().catch(() => {});
    throw error;
  }
  // A lost device gives no error here; every later call reports the loss.
  const refusal = engine.device.popErrorScope().catch(() => null);
  const call: SentCall = { layer, lengthBefore, refusal, isTaken: false };
  void refusal.then((error) => (call.isTaken = error === null));
  return call;
};

const partialVectors = ({ shape }: GpuLayer, { partials, tokens }: AttendPlan): number =>
  partials * tokens * shape.queryHeads;

const attendPlan = (
  engine: Engine,
  layer: GpuLayer,
  plan: AttendPlan,
  rows: RowsOfCall,
  target: GPUBuffer,
  first: number,
): void => {
  const { queryHeads, headSize } = layer.shape;
  const rowBytes = 4 * queryHeads * headSize;
  const commands = new Commands(engine);
  const work = workOn(engine, commands, layer);
  try {
    rows(commands, first, plan.tokens);
    appendPiece(work, plan.tokens);
    attendPiece(work, plan);
    commands.copy(engine.workspace.get("outputs").gpu, 0, target, first * rowBytes, plan.tokens * rowBytes);
    commands.submit();
  } catch (error) {
    // Nothing of this piece was submitted.
    layer.length = plan.position;
    throw error;
  }
};
