import type { Asset, CacheShape, LayerScheme, Mode } from "@kvtuner/plan";
import { choiceOf, codedSpace, crossed } from "./crossed.ts";
import { searchSpace, type Choice, type SearchSpace, type SpaceOptions } from "./space.ts";

/** A setting of a method, to search. */
export interface Coding {
  /** Such as `transform:channels 3`. */
  readonly name: string;
  /** One scheme per layer with a cache. */
  readonly layers: readonly LayerScheme[];
  /** Their tables. */
  readonly assets: readonly Asset[];
}

/** Pairs of modes, settings of methods, and keys of one beside values of another that keeps the same tokens exact. */
export const mixedSpace = (
  shape: CacheShape,
  modes: readonly Mode[],
  codings: readonly Coding[],
  options: Omit<SpaceOptions, "codecs">,
): SearchSpace => {
  const pairs = searchSpace(shape, { ...options, codecs: modes.length > 0 ? modes : [options.mode] });
  if (codings.length === 0) return pairs;
  const settings = codings.map((own) => choiceOf(own.name, own));
  const choices = crossed([...(modes.length > 0 ? pairs.choices : []), ...settings], shape.layers);
  return codedSpace(shape, { choices: named(choices), assets: codings.flatMap(({ assets }) => assets) }, options);
};

/** The id in place of a label that several choices have. */
const named = (choices: readonly Choice[]): Choice[] => {
  const counts = new Map<string, number>();
  for (const { label } of choices) counts.set(label, (counts.get(label) ?? 0) + 1);
  return choices.map((choice) => (counts.get(choice.label)! > 1 ? { ...choice, label: choice.id } : choice));
};
