import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { appendPiece } from "./append-piece.ts";
import { attendPiece } from "./attend-piece.ts";
import { type AttendPlan, plannedSources, planPieces } from "./attend-plan.ts";
import type { CallCodes } from "./call-codes.ts";
import type { GpuLayer } from "./gpu-layer.ts";
import type { Reader } from "./reader.ts";
import { restoreExactRows, truncateLayer } from "./truncate-layer.ts";
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
 * `target`, float32 `[tokens, queryHeads * valueSize]`.
 *
 * @param codes what the call encodes, from `codesOfCall`
 * @throws OutOfMemoryError before the layer changes
 * @throws DeviceLostError `BACKEND_DEVICE_LOST`
 */
export const attendCall = async (
  engine: Engine,
  layer: GpuLayer,
  tokens: number,
  rows: RowsOfCall,
  target: GPUBuffer,
  codes?: CallCodes,
): Promise<SentCall> => {
  engine.loss.assertThere();
  await layer.reserve(engine, layer.length + tokens);
  const plans = await preparedPlans(engine, layer, layer.length, tokens);
  return sent(engine, layer, () => {
    for (const plan of plans)
      try {
        runPlan(engine, plan, plan.position - plans[0]!.position, rows, target, { codes });
      } catch (error) {
        // Nothing of this piece was submitted.
        layer.length = plan.position;
        throw error;
      }
  });
};

/**
 * Attends with the queries of a layer's newest `tokens` tokens, which a call of `attendCall` has appended, as a layer that
 * shares its cache. Copies the outputs to `target`, float32 `[tokens, queryHeads * valueSize]`.
 *
 * @throws OutOfMemoryError
 * @throws DeviceLostError `BACKEND_DEVICE_LOST`
 */
export const readCall = async (
  engine: Engine,
  reader: Reader,
  tokens: number,
  rows: RowsOfCall,
  target: GPUBuffer,
): Promise<void> => {
  engine.loss.assertThere();
  const plans = await preparedPlans(engine, reader, reader.stored.length - tokens, tokens);
  for (const plan of plans) runPlan(engine, plan, plan.position - plans[0]!.position, rows, target);
};

/** Plans of a call, with their kernels compiled and their buffers allocated. */
const preparedPlans = async (
  engine: Engine,
  reader: Reader,
  position: number,
  tokens: number,
): Promise<AttendPlan[]> => {
  const plans = planPieces(reader, position, tokens, engine.limits);
  await engine.prepare(plans.flatMap((plan) => plannedSources(plan, engine.variant)));
  await engine.workspace.reserve(reader.shape, Math.max(...plans.map(partialVectors)));
  return plans;
};

const sent = async (engine: Engine, layer: GpuLayer, send: () => void): Promise<SentCall> => {
  const lengthBefore = layer.length;
  engine.device.pushErrorScope("validation");
  try {
    send();
  } catch (error) {
    // The error of `send` is thrown; this one adds nothing.
    engine.device.popErrorScope().catch(() => {});
    await restoreExactRows(engine, layer, lengthBefore);
    truncateLayer(engine, layer, lengthBefore);
    throw error;
  }
  // A lost device gives no error here; every later call reports the loss.
  const refusal = engine.device.popErrorScope().catch(() => null);
  const call: SentCall = { layer, lengthBefore, refusal, isTaken: false };
  void refusal.then((error) => (call.isTaken = error === null));
  return call;
};

const partialVectors = ({ reader, partials, tokens }: AttendPlan): number =>
  partials * tokens * reader.shape.queryHeads;

/** Submits one piece, whose rows and outputs start at row `first` of the call. */
const runPlan = (
  engine: Engine,
  plan: AttendPlan,
  first: number,
  rows: RowsOfCall,
  target: GPUBuffer,
  appended?: { readonly codes: CallCodes | undefined },
): void => {
  const { tokens, reader } = plan;
  const { queryHeads, headSize, valueSize = headSize } = reader.shape;
  const rowBytes = 4 * queryHeads * valueSize;
  const commands = new Commands(engine);
  const work = workOn(engine, commands, reader.stored, appended?.codes);
  rows(commands, first, tokens);
  if (appended) appendPiece(work, tokens);
  attendPiece(work, plan);
  commands.copy(engine.workspace.get("outputs").gpu, 0, target, first * rowBytes, tokens * rowBytes);
  commands.submit();
};
