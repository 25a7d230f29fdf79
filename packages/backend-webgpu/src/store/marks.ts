import { TensorError } from "@kvtuner/backend";
import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import type { GpuLayer } from "./gpu-layer.ts";

/**
 * Checks that no layer holds numbers out of float16's range. Encoding them anew, or storing them in a snapshot, would
 * turn them into finite numbers.
 *
 * @throws TensorError `BACKEND_TENSOR_NOT_FINITE`
 */
export const assertUnmarked = async (engine: Engine, layers: readonly GpuLayer[]): Promise<void> => {
  if (layers.length === 0) return;
  const marked = (await readMarks(engine, layers)).findIndex((mark) => mark !== 0);
  if (marked < 0) return;
  throw new TensorError(
    "BACKEND_TENSOR_NOT_FINITE",
    `expected keys and values of magnitude up to 65504 in layer ${marked}, got larger ones, infinity or NaN; truncate the cache to 0 tokens, and find where the model overflows`,
  );
};

/** Downloads one mark per layer, as float32. */
const readMarks = async (engine: Engine, layers: readonly GpuLayer[]): Promise<Float32Array> => {
  const sizeBytes = 4 * layers.length;
  const staging = await engine.staging.take(sizeBytes);
  const commands = new Commands(engine);
  for (const [index, { middles, mark }] of layers.entries())
    commands.copy(middles.gpu, 4 * mark, staging.gpu, 4 * index, 4);
  commands.submit();
  return new Float32Array(await engine.staging.read(staging, sizeBytes));
};
