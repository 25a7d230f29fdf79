import type { HeadImage, LayerImage } from "@kvtuner/backend";
import { emptyBlock } from "@kvtuner/quantizers";
import type { Buffer } from "../device/buffer.ts";
import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { type BlockWords, prefixImage, restorePrefix } from "./block-image.ts";
import { exactImage, restoreExact } from "./exact-image.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { codedTokens } from "./tensor-format.ts";

/** Words of one tensor's buffers, in CPU memory. */
interface TensorWords {
  readonly exact: Uint32Array;
  readonly blocks: readonly BlockWords[];
}

/** Keys and values of a layer in the layout of snapshots. */
export const imageOfLayer = async (engine: Engine, layer: GpuLayer): Promise<LayerImage> => {
  const imagesOf = async (tensor: GpuTensor): Promise<HeadImage[]> => {
    const words = await readWords(engine, layer, tensor);
    return headsOf(layer).map((head) => headImage(layer, tensor, head, words));
  };
  return { key: await imagesOf(layer.key), value: await imagesOf(layer.value) };
};

/** Fills an empty layer, which must have a capacity of `length` tokens. */
export const restoreLayer = (engine: Engine, layer: GpuLayer, length: number, image: LayerImage): void => {
  layer.length = length;
  for (const tensor of [layer.key, layer.value]) {
    const words = emptyWords(layer, tensor);
    for (const head of headsOf(layer)) restoreHead(layer, tensor, head, words, image[tensor.format.kind][head]!);
    writeWords(engine, layer, tensor, words);
  }
};

/** What `layer` holds, in an empty layer of the same scheme for calls of another length. Leaves `layer` to be cleared. */
export const moveLayer = async (engine: Engine, layer: GpuLayer, target: GpuLayer): Promise<void> => {
  if (layer.cycle === Infinity) await moveExact(engine, layer, target);
  else {
    await target.reserve(engine, layer.length);
    restoreLayer(engine, target, layer.length, await imageOfLayer(engine, layer));
  }
  const commands = new Commands(engine);
  commands.copy(layer.middles.gpu, 0, target.middles.gpu, 0, layer.middles.sizeBytes);
  commands.submit();
  target.length = layer.length;
  target.blocks.push(...(layer.cycle === Infinity ? layer.blocks.splice(0) : []));
};

/** Copies exact rows to a ring of another size. Blocks of a layer without a span stay as they are. */
const moveExact = async (engine: Engine, layer: GpuLayer, target: GpuLayer): Promise<void> => {
  for (const kind of ["key", "value"] as const) {
    const [from, to] = [layer[kind], target[kind]];
    if (!from.exact) continue;
    const source = { exact: await readBuffer(engine, from.exact), blocks: [] };
    const moved = from.format.isCoded ? { exact: new Uint32Array(to.exact!.sizeBytes / 4), blocks: [] } : source;
    for (const head of from.format.isCoded ? headsOf(layer) : [])
      restoreExact(
        { ...exactPlace(target, to, head, moved), length: layer.length },
        exactImage(exactPlace(layer, from, head, source)),
      );
    writeWords(engine, target, to, moved);
  }
};

const headsOf = ({ shape }: GpuLayer): number[] => Array.from({ length: shape.kvHeads }, (_, head) => head);

const headImage = (layer: GpuLayer, tensor: GpuTensor, head: number, words: TensorWords): HeadImage => ({
  prefix: isCoded(tensor)
    ? prefixImage(prefixPlace(layer, tensor, head, words))
    : emptyBlock(0, tensor.format.headSize, tensor.format.scheme),
  exact: exactImage(exactPlace(layer, tensor, head, words)),
});

const restoreHead = (
  layer: GpuLayer,
  tensor: GpuTensor,
  head: number,
  words: TensorWords,
  { prefix, exact }: HeadImage,
): void => {
  if (isCoded(tensor)) restorePrefix(prefixPlace(layer, tensor, head, words), prefix);
  restoreExact(exactPlace(layer, tensor, head, words), exact);
};

const isCoded = ({ format }: GpuTensor): boolean => format.isCoded;

const prefixPlace = (layer: GpuLayer, { format }: GpuTensor, head: number, { blocks }: TensorWords) => ({
  format,
  kvHeads: layer.shape.kvHeads,
  head,
  coded: codedTokens(format, layer.length),
  cycle: layer.cycle,
  blocks,
});

const exactPlace = (layer: GpuLayer, { format, tiles }: GpuTensor, head: number, { exact, blocks }: TensorWords) => ({
  format,
  tiles,
  kvHeads: layer.shape.kvHeads,
  head,
  length: layer.length,
  exact,
  cycle: layer.cycle,
  blocks,
});

const readWords = async (engine: Engine, layer: GpuLayer, tensor: GpuTensor): Promise<TensorWords> => {
  const exact = tensor.exact ? await readBuffer(engine, tensor.exact) : new Uint32Array(0);
  const blocks: BlockWords[] = [];
  for (const block of layer.blocks) blocks.push({ block, words: await readBuffer(engine, block[tensor.format.kind]) });
  return { exact, blocks };
};

/** Downloads a buffer. */
const readBuffer = async (engine: Engine, { gpu, sizeBytes }: Buffer): Promise<Uint32Array> => {
  const staging = await engine.staging.take(sizeBytes);
  const commands = new Commands(engine);
  commands.copy(gpu, 0, staging.gpu, 0, sizeBytes);
  commands.submit();
  return new Uint32Array(await engine.staging.read(staging, sizeBytes));
};

const emptyWords = ({ blocks }: GpuLayer, { exact, format }: GpuTensor): TensorWords => ({
  exact: new Uint32Array((exact?.sizeBytes ?? 0) / 4),
  blocks: blocks.map((block) => ({ block, words: new Uint32Array(block[format.kind].sizeBytes / 4) })),
});

const writeWords = (engine: Engine, layer: GpuLayer, tensor: GpuTensor, { exact, blocks }: TensorWords): void => {
  const { queue } = engine.device;
  if (tensor.exact) queue.writeBuffer(tensor.exact.gpu, 0, exact as Uint32Array<ArrayBuffer>);
  for (const [index, { words }] of blocks.entries())
    queue.writeBuffer(layer.blocks[index]![tensor.format.kind].gpu, 0, words as Uint32Array<ArrayBuffer>);
};
