import type { Evaluator } from "@kvtuner/evaluation";
import type { Asset } from "@kvtuner/plan";
import type { Lazy } from "../lazily.ts";
import type { Limit } from "../limits/limits.ts";
import type { CodedLayers } from "../methods/method.ts";
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
import { codedSpace } from "../space/crossed.ts";
import { cheapestPlan, planCost, planLayers, planOfIds, type Choice, type SearchSpace } from "../space/space.ts";
import { usedAssets } from "../space/used-assets.ts";
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
  const priced = { context: inputs.context, cost: "true" } as const;
  const all = codedSpace(
    model.shape,
    { choices: families.flatMap(({ choices }) => choices), assets: families.flatMap(({ assets }) => assets) },
    priced,
  );
  const digest = (await sha256(JSON.stringify(all.choices.map(({ id }) => id)))).slice(0, 12);
  const profile = await journalOf(inputs, `profile-${digest}.jsonl`, (value) => profileEntrySchema(all).parse(value));
  const texts = samples.map((ids) => ({ ids, from: 0 }));
  await estimateLayers({ ...inputs, texts, space: all, journal: profile, tracesErrors: false });
  const entry = evaluationEntrySchema(all);
  const evaluations = await journalOf(inputs, `evaluations-${digest}.jsonl`, (value) => entry.parse(value));
  const plans: TunedPlan[] = [];
  for (const family of families) {
    const space = codedSpace(model.shape, family, priced);
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
