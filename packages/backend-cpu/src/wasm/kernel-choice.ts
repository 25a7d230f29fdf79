import { KvtunerError, layerScheme } from "@kvtuner/plan";
import { compileKernels, type Simd, SIMDS } from "./kernel-module.ts";
import { isFaster } from "./kernel-speed.ts";
import { createStore } from "./packed-store.ts";
import { hasRelaxedSimd } from "./relaxed-self-test.ts";
import { splitLimits } from "./threads/split.ts";
import { WasmStore } from "./wasm-store.ts";

/** Compiled kernels and their module's name. */
export interface ChosenKernels {
  readonly simd: Simd;
  readonly module: WebAssembly.Module;
}

/**
 * The requested kernels. "auto" uses relaxed SIMD if the engine passes {@link hasRelaxedSimd} and results on a small problem
 * match the baseline's, because results of relaxed instructions depend on the CPU. It uses dot products of bytes if they
 * pass the same test and are faster, because no engine says whether they take one instruction or three.
 *
 * @throws RelaxedSimdError when relaxed SIMD is requested and the engine has none that works
 * @throws UnknownSimdError for an unknown module
 */
export const chooseKernels = async (wanted: Simd | "auto", shared = false): Promise<ChosenKernels> => {
  if (wanted !== "auto" && !SIMDS.includes(wanted)) throw new UnknownSimdError(wanted);
  if (wanted !== "auto" && wanted !== "baseline" && !(await hasRelaxedSimd())) throw new RelaxedSimdError(wanted);
  const simd = wanted === "auto" ? await bestOnce() : wanted;
  return { simd, module: await compileKernels(simd, shared) };
};

/** Chosen once per process. */
let bestSimd: Promise<Simd> | undefined;

/** After a failure, such as too little memory, the next backend tries again. */
const bestOnce = (): Promise<Simd> => {
  bestSimd ??= findBestSimd().catch((error: unknown) => {
    bestSimd = undefined;
    throw error;
  });
  return bestSimd;
};

const findBestSimd = async (): Promise<Simd> => {
  if (!(await hasRelaxedSimd())) return "baseline";
  const expected = await smallOutputs("baseline");
  const passes = async (simd: Simd): Promise<boolean> => agree(expected, await smallOutputs(simd));
  if (!(await passes("relaxed"))) return "baseline";
  return (await passes("dot-products")) && (await isFaster("dot-products", "relaxed")) ? "dot-products" : "relaxed";
};

const TOKENS = 75;
const SHAPE = { layers: 3, queryHeads: 3, kvHeads: 1, headSize: 32 };
/** A layer in 16 bits, one with every kind of code, and one of the other widths that are multiplied as bytes. */
const LAYERS = [
  layerScheme("per-token", { key: 16, value: 16 }),
  layerScheme("kivi", { key: 4, value: 4 }),
  layerScheme("per-token", { key: 3, value: 2 }),
];

/** Outputs of all layers, joined. */
const smallOutputs = async (simd: Simd): Promise<number[]> => {
  const plan = { shape: SHAPE, layers: LAYERS };
  const limits = { maxCacheBytes: 2 ** 20, maxTokens: 1024 };
  const engine = { simd, module: await compileKernels(simd), limits: splitLimits(1) };
  const owner = { engine, capabilities: limits };
  const store = new WasmStore(owner, await createStore(owner, plan));
  const [query, key, value] = [waves(SHAPE.queryHeads, 0.37), waves(SHAPE.kvHeads, 0.73), waves(SHAPE.kvHeads, 0.59)];
  const call = { tokens: TOKENS, query, key, value };
  const outputs = [];
  for (let layer = 0; layer < LAYERS.length; layer++) outputs.push(...store.attend(layer, call));
  return outputs;
};

/** Numbers from -3 to 3 that do not repeat. */
const waves = (heads: number, step: number): Float32Array =>
  Float32Array.from({ length: TOKENS * heads * SHAPE.headSize }, (_, index) => 3 * Math.sin(step * index));

/**
 * True if all numbers differ by at most 5e-4 of the largest (3), the allowed difference between kernels. False for NaN.
 */
export const agree = (expected: readonly number[], got: readonly number[]): boolean =>
  expected.every((number, index) => Math.abs(number - got[index]!) <= 1.5e-3);

/** Relaxed SIMD was requested, and the engine has none that works. */
export class RelaxedSimdError extends KvtunerError {
  constructor(wanted: Simd) {
    super(
      "BACKEND_SIMD",
      `expected an engine with correct relaxed SIMD for simd: "${wanted}", got one without it; omit simd or use "baseline"`,
    );
    this.name = "RelaxedSimdError";
  }
}

/** An unknown module, from untyped callers. */
export class UnknownSimdError extends KvtunerError {
  constructor(wanted: string) {
    super(
      "BACKEND_SIMD_UNKNOWN",
      `expected simd to be auto, ${SIMDS.join(", ")}, got ${JSON.stringify(wanted)}; leave it out for the fastest`,
    );
    this.name = "UnknownSimdError";
  }
}
