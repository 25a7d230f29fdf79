import { kernelEdition } from "../../generated/kernels.js";
import { PLAIN, type Variant, variantName } from "../kernels/variant.ts";

/**
 * Remembers across processes which kernels were fastest on an adapter: a `Map`, a file or `localStorage` will do. Keys
 * and kernels are single lines of text. The store may forget, fail or hold anything: remembered kernels are tried again
 * before use, and a missing entry is measured again.
 */
export interface KernelChoices {
  /** The kernels stored under a key. */
  get(key: string): string | null | undefined | Promise<string | null | undefined>;
  /** Stores kernels under a key. */
  set(key: string, kernels: string): unknown;
}

/** Key of a choice: the adapter as it describes itself, the abilities tried, and the edition of the kernels. */
export const choiceKey = (
  { vendor, architecture, device, description }: Omit<GPUAdapterInfo, "__brand">,
  abilities: readonly (keyof Variant)[],
): string => [vendor, architecture, device, description, abilities.join(), kernelEdition].join(" | ");

/** The kernels stored under a key; undefined without an entry, or when it needs other abilities. */
export const recallVariant = async (
  choices: KernelChoices | undefined,
  key: string,
  abilities: readonly (keyof Variant)[],
): Promise<Variant | undefined> => {
  const name = await tried(async () => choices?.get(key));
  return variantsOf(abilities).find((variant) => variantName(variant) === name);
};

/** Stores kernels; ignores failures. */
export const rememberVariant = async (
  choices: KernelChoices | undefined,
  key: string,
  variant: Variant,
): Promise<void> => {
  await tried(async () => choices?.set(key, variantName(variant)));
};

const variantsOf = (abilities: readonly (keyof Variant)[]): readonly Variant[] =>
  abilities.reduce<readonly Variant[]>(
    (variants, ability) => variants.flatMap((variant) => [variant, { ...variant, [ability]: true }]),
    [PLAIN],
  );

/** A full disk or a browser that stores nothing must not stop the backend. */
const tried = async <Result>(what: () => Promise<Result>): Promise<Result | undefined> => {
  try {
    return await what();
  } catch {
    return undefined;
  }
};
