import { OutOfMemoryError } from "@kvtuner/backend";
import { KernelError } from "../device/kernel-library.ts";
import { PACKED_DOT_PRODUCTS } from "../kernels/kernel-source.ts";
import { PLAIN, type Variant } from "../kernels/variant.ts";
import { DecodeTimer, type TimedProblem } from "./decode-timer.ts";
import { choiceKey, type KernelChoices, recallVariant, rememberVariant } from "./kernel-choices.ts";
import { callsLasting, isFaster } from "./timed-in-turns.ts";
import { agreeInAll, type Trial, tryVariant } from "./variant-trial.ts";

/** What a choice goes by, beside the device. */
export interface ChoiceOptions {
  /** Of the WebGPU that the device is from; without them, none. */
  readonly languageFeatures?: Pick<ReadonlySet<string>, "has"> | undefined;
  /** Storage of choices; by default this process alone. */
  readonly choices?: KernelChoices | undefined;
}

/** The kernels for a device: the fastest among those that give the same on a small problem. Known devices are not measured again. */
export const chooseVariant = (device: GPUDevice, options: ChoiceOptions = {}): Promise<Variant> => {
  const known = chosen.get(device) ?? measuredVariant(device, options);
  chosen.set(device, known);
  return known;
};

const chosen = new WeakMap<GPUDevice, Promise<Variant>>();

/**
 * Drivers in software compile longer than they will ever calculate. Where there is no room for a measurement, the plain kernels
 * run, and the next process tries again.
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

/** The choice that is remembered, if its kernels still give the same as the plain ones; else the fastest, remembered from now on. */
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

/** True when kernels give what the plain ones give: drivers change, and stores may hold anything. */
const isRight = async (device: GPUDevice, variant: Variant, plain: Trial): Promise<boolean> =>
  agreeInAll(plain, await tryVariant(device, variant).catch(() => []), variant);

/** What is timed, and for how long. */
export interface Measurement {
  readonly problem: TimedProblem;
  /** Calls are timed together, as many as last so long. */
  readonly roundMs: number;
  readonly rounds: number;
}

/** A context at which the cache is most of what a call reads; half a second for each ability, where a GPU is slow. */
const ON_A_GPU: Measurement = {
  problem: { shape: { layers: 1, queryHeads: 32, kvHeads: 8, headSize: 128 }, tokens: 8192 },
  roundMs: 10,
  rounds: 9,
};

/**
 * Starting from the plain kernels, takes one ability after the other if outputs stay what they are and decoding takes clearly
 * less time.
 */
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

/** The timer of kernels that are measured to be faster than those of `best`, or `best`; the other one is disposed of. */
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

/** Kernels that the compiler refuses are not taken; whatever else went wrong says nothing about them. */
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
