import {
  assertPlanSupported,
  type Backend,
  type CachePlan,
  supportsScheme,
  UnsupportedSchemeError,
} from "@kvtuner/backend";
import { FLOAT16, type CacheShape } from "@kvtuner/plan";
import { isCalibrated } from "../methods/method.ts";
import { OptionError } from "../option-values.ts";
import { cachesOf } from "../pipeline/verify.ts";
import { halvesOf } from "../space/halves.ts";
import type { SearchSpace } from "../space/space.ts";
import { settingsNamed, type SearchedSetting } from "./codecs.ts";

/** A backend that plans are to run on. */
export type Target = Pick<Backend, "name" | "capabilities">;

/** Whether a backend stores a plan. Throws where no plan of this shape runs on it. */
export const storesPlan = ({ name, capabilities }: Target, plan: CachePlan): boolean => {
  try {
    assertPlanSupported(name, capabilities, plan.shape, plan);
    return true;
  } catch (error) {
    if (error instanceof UnsupportedSchemeError) return false;
    throw error;
  }
};

/**
 * The settings that a backend may store, as far as that is known before calibration.
 *
 * @param named what the user named: of each, something must be left
 * @param others backends to name in the error
 * @throws OptionError for a name of which the backend stores nothing, with a backend that does
 */
export const storableSettings = (
  settings: readonly SearchedSetting[],
  shape: CacheShape,
  named: readonly string[],
  [target, ...others]: readonly Target[],
): SearchedSetting[] => {
  if (target === undefined) return [...settings];
  const stored = settings.filter((one) => mayStore(target, one, shape));
  for (const name of named) {
    const own = settingsNamed(settings, name);
    if (own.length === 0 || own.some((one) => stored.includes(one))) continue;
    const fitting = others.find((other) => own.some((one) => mayStore(other, one, shape)));
    throw new OptionError("codecs", `what backend ${target.name} can store`, `${name}${adviceOf(name, fitting)}`);
  }
  return stored;
};

const adviceOf = (name: string, fitting: Target | undefined): string =>
  fitting === undefined ? "" : `; use --for ${fitting.name}, or leave ${name} out`;

const mayStore = (target: Target, { setting }: SearchedSetting, shape: CacheShape): boolean => {
  const { key, value } = target.capabilities;
  if (isCalibrated(setting))
    return [key, value].every((families) => families.some(({ kind }) => kind === setting.codec));
  return setting.layers(shape).every((layer) => supportsScheme(key, layer.key) && supportsScheme(value, layer.value));
};

/**
 * Checks that a backend stores the keys and the values of all pairs: those are searched as the user lists them.
 *
 * @throws OptionError for one that it cannot store, with a backend that can
 */
export const assertPairsStored = (space: SearchSpace, [target, ...others]: readonly Target[]): void => {
  if (target === undefined) return;
  for (const [index, plan] of cachesOf(space).entries()) {
    if (storesPlan(target, plan)) continue;
    const fitting = others.find((other) => storesPlan(other, plan));
    const { id } = halvesOf(space).halves[index]!;
    throw new OptionError("pairs", `what backend ${target.name} can store`, `${id}${adviceOf(id, fitting)}`);
  }
};

/**
 * Checks that a backend can run plans of the shape at all.
 *
 * @throws KvtunerError of the backend
 */
export const assertRuns = ({ name, capabilities }: Target, shape: CacheShape): void => {
  const layer = { key: FLOAT16, value: FLOAT16, residency: { kind: "prefix", sinks: 0, recent: 0 } } as const;
  assertPlanSupported(name, capabilities, shape, { shape, layers: Array.from({ length: shape.layers }, () => layer) });
};
