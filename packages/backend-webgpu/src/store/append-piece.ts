import { inputPlaces } from "../device/workspace.ts";
import { rowKernels } from "../kernels/row-kernels.ts";
import { encodePrefix } from "./encode-prefix.ts";
import type { GpuTensor } from "./gpu-layer.ts";
import { firstBehind, packedTokens } from "./tensor-format.ts";
import { type Work } from "./work.ts";
import { writeRows } from "./write-rows.ts";

/** Appends a piece, whose rows are in the workspace's inputs, and encodes the blocks that it completes, except those already dropped. */
export const appendPiece = (work: Work, tokens: number): void => {
  const { engine, layer } = work;
  const places = inputPlaces(layer.shape, engine.limits);
  appendTensor(work, layer.key, places.key, tokens);
  appendTensor(work, layer.value, places.value, tokens);
  if (layer.length === 0 && layer.key.format.isRotated) rotateMiddle(work);
  layer.length += tokens;
};

const appendTensor = (work: Work, tensor: GpuTensor, start: number, tokens: number): void => {
  const { engine, layer } = work;
  const { format } = tensor;
  writeRows(work, tensor, { buffer: engine.workspace.get("inputs"), start }, layer.length, tokens);
  if (!format.isCoded) return;
  const from = Math.max(packedTokens(format, layer.length), firstBehind(format, layer.length));
  const to = packedTokens(format, layer.length + tokens);
  if (from < to) encodePrefix(work, tensor, from, to);
};

/** Transforms the middle, for keys that are stored transformed. */
export const rotateMiddle = ({ engine, commands, layer }: Work): void => {
  const { kvHeads, headSize } = layer.shape;
  commands.run(
    engine.kernel(rowKernels(headSize).rotateRows),
    [layer.middles],
    [0, kvHeads * headSize, kvHeads],
    [1, kvHeads],
  );
};
