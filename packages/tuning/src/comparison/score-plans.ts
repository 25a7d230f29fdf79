import type { Evaluator, Score } from "@kvtuner/evaluation";
import type { LayerScheme, Plan } from "@kvtuner/plan";
import type { z } from "zod";
import { lazily } from "../lazily.ts";
import type { CodedLayers } from "../methods/method.ts";
import type { Callbacks } from "../progress.ts";
import { taskScorer } from "../scoring/task-scorer.ts";
import { sha256 } from "../sha256.ts";
import { warnUnquantized } from "../space/unquantized.ts";
import { openJournal, type Journal } from "../storage/journal.ts";
import type { StudyStorage } from "../storage/storage.ts";
import type { ReadTask } from "../tasks/open-task.ts";
import { thenDispose } from "../then-dispose.ts";
import type { TunableModel } from "../tunable-model.ts";
import { COMPARISON_FILES, scoreSchema, taskScoreSchema, timeSchema } from "./record.ts";

/** A plan with the digest that names it in journals. */
export interface DigestedPlan extends CodedLayers {
  readonly digest: string;
}

/** Where scores are kept, and who hears of them. */
interface ScoreInputs {
  readonly model: TunableModel;
  readonly storage: StudyStorage;
  readonly callbacks: Callbacks;
}

/** Figures of plans by digest. */
export type ScoresByPlan<Entry> = ReadonlyMap<string, Entry>;

/** Scores of plans on samples. Those in the journal are not measured again. */
export const scorePlans = async (
  plans: readonly DigestedPlan[],
  samples: readonly Int32Array[],
  { model, storage, callbacks }: ScoreInputs,
): Promise<{ readonly scores: ScoresByPlan<z.output<typeof scoreSchema>>; readonly floatPerplexity: number }> => {
  const journal = await journalOf(storage, COMPARISON_FILES.scores, scoreSchema, callbacks);
  const missing = missingOf(plans, journal.entries);
  for (const { layers } of missing) warnUnquantized(layers, samples[0]!.length, "samples", callbacks);
  const evaluator = lazily(() => model.evaluator(samples));
  const work = async (): Promise<void> => {
    let done = plans.length - missing.length;
    if (missing.length > 0)
      await evaluatePlans(await evaluator.get(), missing, callbacks, async (plan, score) => {
        await journal.append(entryOf(plan, score));
        const note = `KL ${score.kl.toPrecision(3)}`;
        callbacks.progress({ step: "evaluate", done: ++done, total: plans.length, note });
        callbacks.signal?.throwIfAborted();
      });
  };
  await thenDispose(work, evaluator.dispose);
  return {
    scores: new Map(journal.entries.map((entry) => [entry.plan, entry])),
    floatPerplexity: journal.entries[0]?.floatPerplexity ?? Number.NaN,
  };
};

/** With one sample there is no standard error; it is stored as 0. */
const entryOf = (
  { digest }: DigestedPlan,
  { kl, klStandardError, klTail, top1, perplexity, basePerplexity }: Score,
): z.output<typeof scoreSchema> => ({
  plan: digest,
  kl,
  klStandardError: Number.isFinite(klStandardError) ? klStandardError : 0,
  klTail,
  top1,
  perplexity,
  floatPerplexity: basePerplexity,
});

const evaluatePlans = async (
  evaluator: Evaluator,
  plans: readonly DigestedPlan[],
  { signal }: Callbacks,
  onScore: (plan: DigestedPlan, score: Score) => Promise<void>,
): Promise<void> => {
  const layers: (readonly LayerScheme[])[] = plans.map((plan) => plan.layers);
  // Equal names are equal tables.
  const tables = new Map(plans.flatMap(({ assets = [] }) => assets).map((asset) => [asset.name, asset]));
  await evaluator.evaluate(layers, {
    assets: [...tables.values()],
    onScore: (index, score) => onScore(plans[index]!, score),
    ...(signal && { signal }),
  });
};

/** Accuracy of plans on a task. Plans in the journal are not evaluated again. */
export const scoreTasks = async (
  plans: readonly DigestedPlan[],
  task: ReadTask,
  context: number,
  { model, storage, callbacks }: ScoreInputs,
): Promise<ScoresByPlan<z.output<typeof taskScoreSchema>>> => {
  const name = COMPARISON_FILES.tasks.replace(".", `-${await taskDigest(task)}.`);
  const journal = await journalOf(storage, name, taskScoreSchema, callbacks);
  const missing = missingOf(plans, journal.entries);
  if (missing.length > 0) {
    const scorer = taskScorer(model, task, context, callbacks);
    const work = async (): Promise<void> => {
      for (const missed of missing) {
        const { accuracy, accuracyStandardError, floatAccuracy, pValue, prompts } = await scorer.score(
          planOf(model, missed),
        );
        await journal.append({ plan: missed.digest, accuracy, accuracyStandardError, floatAccuracy, pValue, prompts });
      }
    };
    await thenDispose(work, () => scorer.dispose());
  }
  return new Map(journal.entries.map((entry) => [entry.plan, entry]));
};

/** Decode times of plans relative to the float cache. Plans in the journal are not timed again. */
export const timePlans = async (
  plans: readonly DigestedPlan[],
  time: (plans: readonly Plan[]) => Promise<readonly (number | undefined)[]>,
  { model, storage, callbacks }: ScoreInputs,
): Promise<ScoresByPlan<z.output<typeof timeSchema>>> => {
  const journal = await journalOf(storage, COMPARISON_FILES.times, timeSchema, callbacks);
  const missing = missingOf(plans, journal.entries);
  const times = missing.length > 0 ? await time(missing.map((plan) => planOf(model, plan))) : [];
  for (const [index, { digest }] of missing.entries())
    await journal.append({ plan: digest, decodeTime: times[index] ?? null });
  return new Map(journal.entries.map((entry) => [entry.plan, entry]));
};

const planOf = ({ identity, shape }: TunableModel, { layers, assets }: DigestedPlan): Plan => ({
  version: 2,
  model: identity,
  shape,
  layers,
  ...(assets && { assets }),
});

/** Accuracies on other prompts have another journal. */
const taskDigest = async ({ request, files, shotsFrom }: ReadTask): Promise<string> => {
  const checksums = [...files, ...(shotsFrom ? [shotsFrom] : [])].map(({ checksum }) => checksum);
  const { prompts, shots, chat, maxTokens, likelihood, seed } = request;
  const asked = { prompts, shots, chat, maxTokens, likelihood, seed };
  return (await sha256(JSON.stringify([checksums, asked]))).slice(0, 12);
};

const journalOf = <Entry extends { readonly plan: string }>(
  storage: StudyStorage,
  name: string,
  schema: z.ZodType<Entry>,
  { warn }: Callbacks,
): Promise<Journal<Entry>> => openJournal({ storage, name, parse: (value) => schema.parse(value), warn });

const missingOf = (
  plans: readonly DigestedPlan[],
  entries: readonly { readonly plan: string }[],
): readonly DigestedPlan[] => {
  const known = new Set(entries.map(({ plan }) => plan));
  return [...new Map(plans.map((plan) => [plan.digest, plan])).values()].filter(({ digest }) => !known.has(digest));
};
