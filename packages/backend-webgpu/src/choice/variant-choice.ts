import { OutOfMemoryError } from "@kvtuner/backend";
import { KernelError } from "../device/kernel-library.ts";
import { PACKED_DOT_PRODUCTS } from "../kernels/kernel-source.ts";
import { PLAIN, type Variant } from "../kernels/variant.ts";
import { DecodeTimer, type TimedProblem } from "./decode-timer.ts";
import { choiceKey, type KernelChoices, recallVariant, rememberVariant } from "./kernel-choices.ts";
import { callsLasting, isFaster } from "./timed-in-turns.ts";
import { agreeInAll, type Trial, tryVariant } from "./variant-trial.ts";

export interface ChoiceOptions {
  /** WGSL features of the WebGPU that made the device; none by default. */
  readonly languageFeatures?: Pick<ReadonlySet<string>, "has"> | undefined;
  /** Storage of choices; this process alone by default. */
  readonly choices?: KernelChoices | undefined;
}

/** The fastest kernels on a device, among those that agree on a small problem. Measured once per device. */
export const chooseVariant = (device: GPUDevice, options: ChoiceOptions = {}): Promise<Variant> => {
  const known = chosen.get(device) ?? measuredVariant(device, options);
  chosen.set(device, known);
  return known;
};

const chosen = new WeakMap<GPUDevice, Promise<Variant>>();

/**
 * Software drivers would compile for longer than they ever compute, so they get the plain kernels. So does a device too
 * full to measure on; the next process tries again.
 */
const measuredVariant = async (device: GPUDevice, { languageFeatures, choices }: ChoiceOptions): Promise<Variant> => {
  if (device.adapterInfo.isFallbackAdapter) return PLAIN;
  try {
    return await rememberedVariant(device, triedAbilities(device, languageFeatures), choices);
  } catch (error) {
    if (error instanceof OutOfMemoryError) return PLAIN;
    throw error;
  }
};

/** The stored choice, if its kernels still agree with the plain ones; otherwise measures the fastest and stores it. */
export const rememberedVariant = async (
  device: GPUDevice,
  abilities: readonly (keyof Variant)[],
  choices: KernelChoices | undefined,
  measurement: Measurement = ON_A_GPU,
): Promise<Variant> => {
  const key = choiceKey(device.adapterInfo, abilities);
  const recalled = await recallVariant(choices, key, abilities);
  if (recalled && (await isRight(device, recalled, await tryVariant(device, PLAIN)))) return recalled;
  const fastest = await fastestVariant(device, abilities, measurement);
  await rememberVariant(choices, key, fastest);
  return fastest;
};

/** True when kernels give the plain ones' outputs: drivers change, and stores may hold anything. */
const isRight = async (device: GPUDevice, variant: Variant, plain: Trial): Promise<boolean> =>
  agreeInAll(plain, await tryVariant(device, variant).catch(() => []), variant);

export interface Measurement {
  readonly problem: TimedProblem;
  /** Duration of one round: calls are timed together until they take this long. */
  readonly roundMs: number;
  readonly rounds: number;
}

/** A length at which reading the cache dominates a call. Takes half a second per ability on a slow GPU. */
const ON_A_GPU: Measurement = {
  problem: { shape: { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 128 }, tokens: 8192 },
  roundMs: 10,
  rounds: 9,
};

/** Starts from the plain kernels and adds each ability that keeps the outputs and makes decoding clearly faster. */
export const fastestVariant = async (
  device: GPUDevice,
  abilities: readonly (keyof Variant)[],
  measurement: Measurement = ON_A_GPU,
): Promise<Variant> => {
  const plain = await tryVariant(device, PLAIN);
  let best = await DecodeTimer.create(device, PLAIN, measurement.problem);
  try {
    const calls = await callsLasting(best, measurement.roundMs);
    for (const ability of abilities) {
      const variant = { ...best.variant, [ability]: true };
      if (await isRight(device, variant, plain)) best = await fasterOf(device, best, variant, measurement, calls);
    }
    return best.variant;
  } finally {
    best.dispose();
  }
};

/** The timer of `variant` if it measures faster than `best`, otherwise `best`. Disposes of the other. */
const fasterOf = async (
  device: GPUDevice,
  best: DecodeTimer,
  variant: Variant,
  { problem, rounds }: Measurement,
  calls: number,
): Promise<DecodeTimer> => {
  const rival = await DecodeTimer.create(device, variant, problem).catch(refusedKernels);
  if (!rival) return best;
  let slower = rival;
  try {
    if (await isFaster(rival, best, calls, rounds)) slower = best;
  } finally {
    slower.dispose();
  }
  return slower === rival ? best : rival;
};

/** Skips kernels that the compiler rejects; other errors say nothing about the kernels. */
const refusedKernels = (error: unknown): undefined => {
  if (!(error instanceof KernelError)) throw error;
};

const triedAbilities = (
  { features }: GPUDevice,
  languageFeatures: ChoiceOptions["languageFeatures"],
): (keyof Variant)[] => [
  "specialized",
  ...(features.has("subgroups") ? (["subgroups"] as const) : []),
  ...(languageFeatures?.has(PACKED_DOT_PRODUCTS) ? (["packed"] as const) : []),
  ...(features.has("shader-f16") ? (["float16"] as const) : []),
];
