import type { AttentionSpec } from "@kvtuner/plan";
import type { Buffer } from "../device/buffer.ts";
import type { Engine } from "../device/engine.ts";

/** A buffer of a layer's sink logits, if it has any. */
export const createSinkLogits = async (engine: Engine, { sinkLogits }: AttentionSpec): Promise<Buffer | undefined> => {
  if (!sinkLogits) return undefined;
  const numbers = Float32Array.from(sinkLogits);
  const buffer = await engine.createBound(numbers.byteLength);
  engine.device.queue.writeBuffer(buffer.gpu, 0, numbers);
  return buffer;
};
