import { choiceKey, type KernelChoices, recallVariant, rememberVariant } from "./kernel-choices.ts";
import { PACKED_DOT_PRODUCTS } from "./kernel-source.ts";
import { agreeInAll, type Trial, tryVariant } from "./variant-trial.ts";
import { PLAIN, type Variant } from "./variant.ts";

/** What a choice goes by, beside the device. */
export interface ChoiceOptions {
  /** Of the WebGPU that the device is from; without them, none. */
  readonly languageFeatures?: Pick<ReadonlySet<string>, "has"> | undefined;
  /** Where choices are remembered; without it, in this process alone. */
  readonly choices?: KernelChoices | undefined;
}

/** The fastest kernels of a device among those that give the same on a small problem. Known devices are not measured again. */
export const chooseVariant = (device: GPUDevice, options: ChoiceOptions = {}): Promise<Variant> => {
  const known = chosen.get(device) ?? measuredVariant(device, options);
  chosen.set(device, known);
  return known;
};

const chosen = new WeakMap<GPUDevice, Promise<Variant>>();

/** Drivers in software compile longer than they will ever calculate. */
const measuredVariant = async (device: GPUDevice, { languageFeatures, choices }: ChoiceOptions): Promise<Variant> => {
  if (device.adapterInfo.isFallbackAdapter) return PLAIN;
  return rememberedVariant(device, triedAbilities(device, languageFeatures), choices);
};

/** The choice that is remembered, if its kernels still give the same as the plain ones; else the fastest, remembered from now on. */
export const rememberedVariant = async (
  device: GPUDevice,
  abilities: readonly (keyof Variant)[],
  choices: KernelChoices | undefined,
): Promise<Variant> => {
  const key = choiceKey(device.adapterInfo, abilities);
  const recalled = await recallVariant(choices, key, abilities);
  if (recalled && (await isRight(device, recalled))) return recalled;
  const fastest = await fastestVariant(device, abilities);
  await rememberVariant(choices, key, fastest);
  return fastest;
};

/** Drivers change, and stores may hold anything. */
const isRight = async (device: GPUDevice, variant: Variant): Promise<boolean> => {
  const plain = await tryVariant(device, PLAIN);
  const trial = await tryVariant(device, variant).catch(() => FAILED);
  return agreeInAll(plain, trial, variant);
};

/**
 * Starting from the plain kernels, takes one ability after the other if outputs stay what they are and a call takes less time.
 */
export const fastestVariant = async (device: GPUDevice, abilities: readonly (keyof Variant)[]): Promise<Variant> => {
  const plain = await tryVariant(device, PLAIN);
  let best = { variant: PLAIN, timeMs: plain.timeMs };
  for (const ability of abilities) {
    const variant = { ...best.variant, [ability]: true };
    const trial = await tryVariant(device, variant).catch(() => FAILED);
    if (agreeInAll(plain, trial, variant) && trial.timeMs < best.timeMs) best = { variant, timeMs: trial.timeMs };
  }
  return best.variant;
};

const FAILED: Trial = { outputs: [], timeMs: Infinity };

const triedAbilities = (
  { features }: GPUDevice,
  languageFeatures: ChoiceOptions["languageFeatures"],
): (keyof Variant)[] => [
  "specialized",
  ...(features.has("subgroups") ? (["subgroups"] as const) : []),
  ...(languageFeatures?.has(PACKED_DOT_PRODUCTS) ? (["packed"] as const) : []),
  ...(features.has("shader-f16") ? (["float16"] as const) : []),
];
