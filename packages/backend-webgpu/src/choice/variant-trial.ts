import { layerScheme } from "@kvtuner/plan";
import { Engine } from "../device/engine.ts";
import type { Variant } from "../kernels/variant.ts";
import { createStore } from "../store/webgpu-store.ts";

const TOKENS = 200;
const CALLS = 8;
const SHAPE = { layers: 5, queryHeads: 4, kvHeads: 2, headSize: 64 };
/**
 * One layer that uses every feature of codes, one with 16-bit keys, two whose keys take packed dot products, and one with
 * values near the limit of float16.
 */
const LAYERS = [
  layerScheme("kivi", { key: 4, value: 4 }, { sinks: 3 }),
  layerScheme("per-token", { key: 16, value: 8 }),
  layerScheme("per-token", { key: 4, value: 4 }),
  layerScheme("per-token", { key: 8, value: 2 }),
  layerScheme("per-token", { key: 8, value: 8 }),
];
const FAR_OUT_LAYER = 4;

/** Outputs of kernels on a small problem: all calls of each layer, concatenated. */
export type Trial = readonly (readonly number[])[];

/**
 * Runs kernels on a small problem.
 *
 * @throws KernelError when the device cannot compile them
 */
export const tryVariant = async (device: GPUDevice, variant: Variant): Promise<Trial> => {
  const engine = new Engine(device, variant);
  const store = await createStore(engine, { shape: SHAPE, layers: LAYERS });
  try {
    const outputs: number[][] = LAYERS.map(() => []);
    for (let call = 0; call < CALLS; call++)
      for (let layer = 0; layer < SHAPE.layers; layer++)
        outputs[layer]!.push(...(await store.attend(layer, waves(call === 0 ? TOKENS : 1, call, layer))));
    return outputs;
  } finally {
    store.clear();
    engine.dispose();
  }
};

/** Numbers from -3 to 3 that do not repeat; large values reach from -60000 to 60000. */
const waves = (tokens: number, call: number, layer: number) => {
  const rows = (heads: number, step: number, most = 3): Float32Array =>
    Float32Array.from(
      { length: tokens * heads * SHAPE.headSize },
      (_, index) => most * Math.sin(step * (index + call)),
    );
  return {
    tokens,
    query: rows(SHAPE.queryHeads, 0.37),
    key: rows(SHAPE.kvHeads, 0.73),
    value: rows(SHAPE.kvHeads, 0.59, layer === FAR_OUT_LAYER ? 60_000 : 3),
  };
};

/** True when outputs agree in every layer. Each layer has its own tolerance, as their magnitudes differ. */
export const agreeInAll = (expected: Trial, got: Trial, variant: Pick<Variant, "float16">): boolean =>
  expected.length === got.length && expected.every((numbers, layer) => agree(numbers, got[layer]!, variant));

/** True when no number differs by more than a share of the largest, the kernels' tolerance. NaN never agrees. */
export const agree = (
  expected: readonly number[],
  got: readonly number[],
  { float16 }: Pick<Variant, "float16">,
): boolean => {
  const most = (float16 ? 1e-2 : 1e-3) * expected.reduce((largest, number) => Math.max(largest, Math.abs(number)), 0);
  return expected.length === got.length && expected.every((number, index) => Math.abs(number - got[index]!) <= most);
};
