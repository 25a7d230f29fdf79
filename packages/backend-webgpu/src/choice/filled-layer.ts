import { type LayerShape, type LayerScheme, plainAttention } from "@kvtuner/plan";
import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { pieceTokens } from "../device/workspace.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { appendPiece } from "../store/append-piece.ts";
import { createLayer, type GpuLayer } from "../store/gpu-layer.ts";
import { uploadedRows } from "../store/uploaded-rows.ts";
import { workOn } from "../store/work.ts";

/**
 * A layer that holds `tokens` tokens. They repeat one piece of a prompt and nothing attends to them, which would take
 * time quadratic in their number. The piece's queries stay in the workspace's inputs.
 *
 * @throws OutOfMemoryError when the device is full
 */
export const filledLayer = async (
  engine: Engine,
  shape: LayerShape,
  scheme: LayerScheme,
  tokens: number,
): Promise<GpuLayer> => {
  await engine.prepare(Object.values(rowKernels(shape.headSize)));
  await engine.workspace.reserve(shape, 1);
  const layer = await createLayer(engine, shape, scheme, plainAttention(shape.headSize));
  try {
    await layer.reserve(engine, tokens);
    fill(engine, layer, tokens);
    return layer;
  } catch (error) {
    layer.clear(engine);
    throw error;
  }
};

const fill = (engine: Engine, layer: GpuLayer, tokens: number): void => {
  const { shape } = layer;
  const most = pieceTokens(shape, engine.limits);
  const rows = (heads: number, step: number): Float32Array =>
    Float32Array.from({ length: most * heads * shape.headSize }, (_, index) => 3 * Math.sin(step * index));
  const call = {
    tokens: most,
    query: rows(shape.queryHeads, 0.37),
    key: rows(shape.kvHeads, 0.73),
    value: rows(shape.kvHeads, 0.59),
  };
  uploadedRows(engine, shape, call)(new Commands(engine), 0, most);
  for (let first = 0; first < tokens; first += most) {
    const commands = new Commands(engine);
    appendPiece(workOn(engine, commands, layer), Math.min(most, tokens - first));
    commands.submit();
  }
};
