import type { Evaluator } from "@kvtuner/evaluation";
import { type Asset, type CacheShape, formatShorthand, type LayerScheme } from "@kvtuner/plan";
import type { Lazy } from "../lazily.ts";
import type { Limit } from "../limits/limits.ts";
import type { CodedLayers } from "../methods/method.ts";
import { usedAssets } from "../methods/prefixed-assets.ts";
import { evaluationEntrySchema } from "../pipeline/evaluation-entry.ts";
import { estimateLayers } from "../pipeline/gradient/estimate-layers.ts";
import { choiceLosses, halfLosses } from "../pipeline/gradient/half-losses.ts";
import { measureDoubtful } from "../pipeline/gradient/measure-doubtful.ts";
import type { Measurer } from "../pipeline/measurer.ts";
import { evaluateWithin } from "../pipeline/near-limit.ts";
import { makeFront, pickPlan } from "../pipeline/pick.ts";
import { profileEntrySchema, type ProfileEntry } from "../pipeline/profile-entry.ts";
import { textLosses } from "../pipeline/profile.ts";
import type { SearchInputs } from "../pipeline/search.ts";
import { textMeasurer } from "../pipeline/text-measurer.ts";
import type { Callbacks } from "../progress.ts";
import { sha256 } from "../sha256.ts";
import { halvesOf } from "../space/halves.ts";
import {
  cheapestPlan,
  planCost,
  planLayers,
  planOfIds,
  pricedSpace,
  schemeAt,
  type Choice,
  type SearchSpace,
} from "../space/space.ts";
import { openJournal, type Journal } from "../storage/journal.ts";
import type { StudyStorage } from "../storage/storage.ts";
import type { TunableModel } from "../tunable-model.ts";

/** Settings that a tuned plan chooses from, layer by layer. */
export interface Family {
  readonly name: string;
  readonly choices: readonly Choice[];
  /** Static tables of the settings. */
  readonly assets: readonly Asset[];
}

/** What {@link tunedPlans} depends on. */
export interface TunedInputs {
  readonly model: TunableModel;
  readonly gradients: NonNullable<TunableModel["gradients"]>;
  readonly samples: readonly Int32Array[];
  readonly evaluator: Lazy<Evaluator>;
  readonly families: readonly Family[];
  /** True bits that plans may take. */
  readonly levels: readonly number[];
  readonly context: number;
  readonly seed: number;
  readonly storage: StudyStorage;
  readonly callbacks: Callbacks;
}

/** The best plan of a family within a level of bits. */
export interface TunedPlan extends CodedLayers {
  readonly family: string;
  readonly level: number;
}

/**
 * The best plan of each family within each level. One backward pass over all samples estimates every scheme of all families, and
 * the best sums are evaluated and corrected as `tune` does. Levels below a family's smallest plan are left out.
 */
export const tunedPlans = async (inputs: TunedInputs): Promise<TunedPlan[]> => {
  const { model, samples, families, callbacks } = inputs;
  const all = spaceOf(
    model.shape,
    { choices: families.flatMap(({ choices }) => choices), assets: families.flatMap(({ assets }) => assets) },
    inputs.context,
  );
  const digest = (await sha256(JSON.stringify(all.choices.map(({ id }) => id)))).slice(0, 12);
  const profile = await journalOf(inputs, `profile-${digest}.jsonl`, (value) => profileEntrySchema(all).parse(value));
  const texts = samples.map((ids) => ({ ids, from: 0 }));
  await estimateLayers({ ...inputs, texts, space: all, journal: profile, tracesErrors: false });
  const entry = evaluationEntrySchema(all);
  const evaluations = await journalOf(inputs, `evaluations-${digest}.jsonl`, (value) => entry.parse(value));
  const plans: TunedPlan[] = [];
  for (const family of families) {
    const space = spaceOf(model.shape, family, inputs.context);
    await measureDoubtful({ space, journal: profile, callbacks }, textLosses(inputs.evaluator.get, space.assets));
    const measurer = textMeasurer({ ...callbacks, space, evaluator: inputs.evaluator.get, journal: evaluations });
    plans.push(...(await plansWithin(inputs, family.name, searchOf(space, profile.entries), measurer)));
  }
  return plans;
};

const journalOf = <Entry extends object>(
  { storage, callbacks: { warn } }: TunedInputs,
  name: string,
  parse: (value: unknown) => Entry,
): Promise<Journal<Entry>> => openJournal({ storage, name, parse, warn });

const spaceOf = (
  shape: CacheShape,
  { choices, assets }: Pick<Family, "choices" | "assets">,
  context: number,
): SearchSpace => {
  const distinct = new Map(choices.map((choice) => [choice.id, choice]));
  const tables = new Map(assets.map((asset) => [asset.name, asset]));
  const space = pricedSpace(shape, [...distinct.values()], { context, cost: "true" });
  return { ...space, assets: [...tables.values()] };
};

const searchOf = (space: SearchSpace, entries: readonly ProfileEntry[]): SearchInputs => ({
  space,
  losses: choiceLosses(space, halfLosses(space, entries)),
  candidates: Array.from({ length: space.shape.layers }, () => space.choices.map((_, choice) => choice)),
  groups: Array.from({ length: space.shape.layers }, (_, layer) => [layer]),
});

const plansWithin = async (
  { levels }: TunedInputs,
  family: string,
  inputs: SearchInputs,
  measurer: Measurer,
): Promise<TunedPlan[]> => {
  const { space } = inputs;
  const least = planCost(space, cheapestPlan(space.bytes)).bits;
  const plans: TunedPlan[] = [];
  for (const level of levels.filter((bits) => bits >= least)) {
    const limit: Limit = { kind: "bits", bits: level };
    await evaluateWithin(inputs, limit, measurer, () => false);
    const own = [...measurer.known.values()].filter(({ choices }) => !planOfIds(space, choices).includes(-1));
    const picked = pickPlan(makeFront(space, own).front, limit);
    if (picked === undefined) continue;
    const layers = planLayers(space, planOfIds(space, picked.choices));
    plans.push({ family, level, layers, assets: usedAssets(layers, space.assets ?? []) });
  }
  return plans;
};

/** A setting as a choice of layers. */
export const choiceOf = (name: string, { layers }: CodedLayers): Choice => {
  const [scheme] = layers;
  const isUniform = layers.every((layer) => JSON.stringify(layer) === JSON.stringify(scheme));
  const id = isUniform ? formatShorthand(scheme!) : undefined;
  if (id !== undefined) return { id, label: name, scheme: scheme! };
  return { id: name, label: name, scheme: scheme!, layers, halves: { key: `${name}/K`, value: `${name}/V` } };
};

/** Choices with the keys of each choice beside the values of each that keeps the same tokens exact in every layer. */
export const crossed = (choices: readonly Choice[], layers: number): Choice[] =>
  choices.flatMap((keys) =>
    choices.flatMap((values) => {
      if (keys === values) return [keys];
      const own = Array.from({ length: layers }, (_, layer) => ({
        ...schemeAt(keys, layer),
        value: schemeAt(values, layer).value,
      }));
      const isAlike = own.every(({ residency }, layer) => sameTokens(residency, schemeAt(values, layer).residency));
      return isAlike ? [mixed(keys, values, own)] : [];
    }),
  );

const sameTokens = (one: LayerScheme["residency"], other: LayerScheme["residency"]): boolean =>
  one.sinks === other.sinks && one.recent === other.recent;

const mixed = (keys: Choice, values: Choice, layers: readonly LayerScheme[]): Choice => {
  const [scheme] = layers;
  const shorthand = (keys.halves ?? values.halves) ? undefined : formatShorthand(scheme!);
  if (shorthand !== undefined) return { id: shorthand, label: shorthand, scheme: scheme! };
  const halves = { key: halfId(keys, "key"), value: halfId(values, "value") };
  const id = `${halves.key} ${halves.value}`;
  return { id, label: id, scheme: scheme!, layers, halves };
};

/** The name that a choice's half has in study records. */
const halfId = (choice: Choice, tensor: "key" | "value"): string => {
  const { halves, ofChoice } = halvesOf({ choices: [choice] });
  return halves[ofChoice[0]![tensor === "key" ? 0 : 1]]!.id;
};
