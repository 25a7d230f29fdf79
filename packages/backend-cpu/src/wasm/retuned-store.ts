import { assertFiniteTensors, type CachePlan } from "@kvtuner/backend";
import type { TensorScheme } from "@kvtuner/plan";
import { CHUNK_TOKENS } from "./chunk.ts";
import { readRows as readCoded } from "./coded-rows.ts";
import type { PackedLayer } from "./packed-layer.ts";
import type { PackedStore } from "./packed-store.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import { assertRotatable } from "./rotatable.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Checks that the layers' numbers can be stored under another plan. Only a transform can enlarge numbers.
 *
 * @throws TensorError `BACKEND_TENSOR_NOT_FINITE`
 * @throws QuantizerError `QUANTIZER_OVERFLOW`
 */
export const assertRetunable = ({ layers, workspaces }: PackedStore, next: PackedStore, plan: CachePlan): void => {
  for (const [index, layer] of layers.entries()) {
    const scheme = plan.layers[index]!;
    if (!isRotated(scheme.key) && !isRotated(scheme.value)) continue;
    const { headSize, valueSize } = layer.shape;
    const destination = { layer: index, scheme, headSize, valueSize };
    const target = next.layers[index]!;
    eachChunk(layer, workspaces[index]!, ({ key, value }) => {
      assertFiniteTensors(destination, NO_NUMBERS, key, value);
      assertRotatable(target.key, key);
      assertRotatable(target.value, value);
    });
  }
};

const isRotated = (scheme: TensorScheme): boolean => scheme.kind === "affine" && scheme.transform !== "none";

const NO_NUMBERS = new Float32Array(0);

/** Appends all tokens of a layer, decoded and rounded to float16, to an empty one with memory reserved for them. */
export const copyLayer = (
  layer: PackedLayer,
  workspace: Workspace,
  target: PackedLayer,
  targetWorkspace: Workspace,
): void => eachChunk(layer, workspace, (rows) => target.append(rows, targetWorkspace));

/** float32 `[tokens, kvHeads * headSize]`; `value` has the values' size. */
interface ChunkRows {
  readonly tokens: number;
  readonly key: Float32Array;
  readonly value: Float32Array;
}

const eachChunk = (layer: PackedLayer, workspace: Workspace, visit: (rows: ChunkRows) => void): void => {
  for (let first = 0; first < layer.length; first += CHUNK_TOKENS)
    visit(readRows(layer, workspace, first, Math.min(CHUNK_TOKENS, layer.length - first)));
};

const readRows = (layer: PackedLayer, workspace: Workspace, first: number, tokens: number): ChunkRows => {
  const read = (tensor: PackedTensor): Float32Array => {
    const range = { from: first, to: first + tokens };
    const coded = tensor.prefix(layer.length);
    if (tensor.coder || tensor.usesCodec) return readCoded(layer.recordsOf(tensor, workspace), range, coded);
    const { kernels, floats } = layer.arena;
    const { [tensor.kind]: out, scratch } = workspace;
    const isValue = Number(tensor.kind === "value");
    kernels.readRows(layer.address, isValue, coded, first, first + tokens, out, scratch);
    return floats.slice(out / 4, out / 4 + tokens * layer.shape.kvHeads * tensor.headSize);
  };
  return { tokens, key: read(layer.key), value: read(layer.value) };
};
