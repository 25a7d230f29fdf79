import { assertFiniteTensors, type CachePlan } from "@kvtuner/backend";
import type { CacheShape } from "@kvtuner/plan";
import type { PackedLayer } from "./packed-layer.ts";
import { createStore, type PackedStore } from "./packed-store.ts";
import { CHUNK_TOKENS, type Workspace } from "./workspace.ts";

/**
 * A new store under another plan: as if all tokens, decoded and rounded to float16, had been appended to it. The old one
 * stays as it is.
 */
export const retunedStore = async (
  module: WebAssembly.Module,
  { layers, workspaces }: PackedStore,
  shape: CacheShape,
  plan: CachePlan,
): Promise<PackedStore> => {
  const store = await createStore(module, shape, plan);
  for (const [index, layer] of layers.entries()) {
    const target = store.layers[index]!;
    target.ensure(layer.length);
    for (let first = 0; first < layer.length; first += CHUNK_TOKENS) {
      const tokens = Math.min(CHUNK_TOKENS, layer.length - first);
      const rows = readRows(layer, workspaces[index]!, shape, first, tokens);
      const scheme = plan.layers[index]!;
      assertFiniteTensors({ layer: index, scheme, headSize: shape.headSize }, NO_NUMBERS, rows.key, rows.value);
      target.append({ tokens, ...rows }, store.workspaces[index]!);
    }
  }
  return store;
};

const NO_NUMBERS = new Float32Array(0);

const readRows = (
  layer: PackedLayer,
  workspace: Workspace,
  { kvHeads, headSize }: CacheShape,
  first: number,
  tokens: number,
): { readonly key: Float32Array; readonly value: Float32Array } => {
  const read = (isValue: number): Float32Array => {
    const { kernels, floats } = layer.arena;
    const { key: out, scratch } = workspace;
    kernels.readRows(layer.address, isValue, layer.length, first, first + tokens, out, scratch);
    return floats.slice(out / 4, out / 4 + tokens * kvHeads * headSize);
  };
  return { key: read(0), value: read(1) };
};
