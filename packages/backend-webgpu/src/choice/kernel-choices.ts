import { kernelEdition } from "../../generated/kernels.js";
import { PLAIN, type Variant, variantName } from "../kernels/variant.ts";

/**
 * Remembers from one process to the next which kernels were the fastest on an adapter; a `Map`, a file, or `localStorage` behind
 * two functions. Keys and kernels are text of one line. Kernels that it names are tried again before they are used, and
 * what it cannot give or keep is measured as if there were none: it may forget, fail, and hold anything.
 */
export interface KernelChoices {
  /** The kernels remembered under a key. */
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  /** Remembers kernels. */
  set(key: string, kernels: string): unknown;
}

/** What a choice is for: an adapter as far as it says what it is, what was tried, and the edition of the kernels. */
export const choiceKey = (
  { vendor, architecture, device, description }: Omit<GPUAdapterInfo, "__brand">,
  abilities: readonly (keyof Variant)[],
): string => [vendor, architecture, device, description, abilities.join(), kernelEdition].join(" | ");

/** The kernels remembered under a key; undefined where there are none that only make use of these abilities. */
export const recallVariant = async (
  choices: KernelChoices | undefined,
  key: string,
  abilities: readonly (keyof Variant)[],
): Promise<Variant | undefined> => {
  const name = await tried(async () => choices?.get(key));
  return variantsOf(abilities).find((variant) => variantName(variant) === name);
};

/** Remembers kernels, where that is possible. */
export const rememberVariant = async (
  choices: KernelChoices | undefined,
  key: string,
  variant: Variant,
): Promise<void> => {
  await tried(async () => choices?.set(key, variantName(variant)));
};

/** Every combination of abilities. */
const variantsOf = (abilities: readonly (keyof Variant)[]): readonly Variant[] =>
  abilities.reduce<readonly Variant[]>(
    (variants, ability) => variants.flatMap((variant) => [variant, { ...variant, [ability]: true }]),
    [PLAIN],
  );

/** A full disk, or a browser that keeps nothing, is no reason not to run. */
const tried = async <Result>(what: () => Promise<Result>): Promise<Result | undefined> => {
  try {
    return await what();
  } catch {
    return undefined;
  }
};
