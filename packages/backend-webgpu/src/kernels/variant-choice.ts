import { layerScheme } from "@kvtuner/plan";
import { Engine } from "../device/engine.ts";
import { createStore } from "../store/webgpu-store.ts";
import { PLAIN, type Variant } from "./variant.ts";

/** The fastest kernels of a device among those that give the same on a small problem. Known devices are not measured again. */
export const chooseVariant = (device: GPUDevice): Promise<Variant> => {
  const known = choices.get(device) ?? measuredVariant(device);
  choices.set(device, known);
  return known;
};

const choices = new WeakMap<GPUDevice, Promise<Variant>>();

/** Drivers in software compile longer than they will ever calculate. */
const measuredVariant = async (device: GPUDevice): Promise<Variant> =>
  device.adapterInfo.isFallbackAdapter ? PLAIN : fastestVariant(device, triedAbilities(device));

/**
 * Starting from the plain kernels, takes one ability after the other if outputs stay what they are and a call takes less time.
 */
export const fastestVariant = async (device: GPUDevice, abilities: readonly (keyof Variant)[]): Promise<Variant> => {
  const plain = await tryVariant(device, PLAIN);
  let best = { variant: PLAIN, timeMs: plain.timeMs };
  for (const ability of abilities) {
    const variant = { ...best.variant, [ability]: true };
    const { outputs, timeMs } = await tryVariant(device, variant).catch(() => FAILED);
    if (agree(plain.outputs, outputs) && timeMs < best.timeMs) best = { variant, timeMs };
  }
  return best.variant;
};

const FAILED = { outputs: [], timeMs: Infinity };

const triedAbilities = ({ features }: GPUDevice): (keyof Variant)[] => [
  "specialized",
  ...(features.has("subgroups") ? (["subgroups"] as const) : []),
  ...(features.has("shader-f16") ? (["float16"] as const) : []),
];

const TOKENS = 300;
const CALLS = 8;
const SHAPE = { layers: 2, queryHeads: 4, kvHeads: 2, headSize: 64 };
/** A layer with all that codes ask for, and one with 16 bits beside 8. */
const LAYERS = [
  layerScheme("kivi", { key: 4, value: 4 }, { sinks: 3 }),
  layerScheme("per-token", { key: 16, value: 8 }),
];

interface Trial {
  readonly outputs: readonly number[];
  /** Of the fastest call of one token. */
  readonly timeMs: number;
}

const tryVariant = async (device: GPUDevice, variant: Variant): Promise<Trial> => {
  const engine = new Engine(device, variant);
  const store = await createStore(engine, { shape: SHAPE, layers: LAYERS });
  try {
    const outputs: number[] = [];
    let timeMs = Infinity;
    for (let call = 0; call < CALLS; call++) {
      const started = performance.now();
      for (let layer = 0; layer < SHAPE.layers; layer++)
        for (const number of await store.attend(layer, waves(call === 0 ? TOKENS : 1, call))) outputs.push(number);
      timeMs = Math.min(timeMs, performance.now() - started);
    }
    return { outputs, timeMs };
  } finally {
    store.clear();
    engine.dispose();
  }
};

/** Numbers from -3 to 3 that do not repeat. */
const waves = (tokens: number, call: number) => {
  const rows = (heads: number, step: number): Float32Array =>
    Float32Array.from({ length: tokens * heads * SHAPE.headSize }, (_, index) => 3 * Math.sin(step * (index + call)));
  return {
    tokens,
    query: rows(SHAPE.queryHeads, 0.37),
    key: rows(SHAPE.kvHeads, 0.73),
    value: rows(SHAPE.kvHeads, 0.59),
  };
};

/** True when no number is further off than float16 makes it: 2e-3 of the largest, 3 in size. NaN is. */
export const agree = (expected: readonly number[], got: readonly number[]): boolean =>
  expected.length === got.length && expected.every((number, index) => Math.abs(number - got[index]!) <= 6e-3);
