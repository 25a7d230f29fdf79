import { cachePlaces, type LayerScheme } from "@kvtuner/plan";
import { EXACT, halvesOf } from "../../space/halves.ts";
import { schemeAt, type SearchSpace } from "../../space/space.ts";
import { passesFrom } from "../forward-passes.ts";
import type { ProfileEntry } from "../profile-entry.ts";
import type { PlanLosses } from "../profile.ts";
import type { TraceInputs } from "../trace.ts";
import { checkedCases, replacedCases, scatterOf, type Scatter } from "./check-estimates.ts";
import { expectedRegret } from "./expected-regret.ts";
import {
  choiceLosses,
  exactLoss,
  frontOf,
  halfLosses,
  plansOf,
  LARGE_OUTPUT_ERROR,
  type Case,
  type LossesByLayer,
} from "./half-losses.ts";

/** Plans of the estimated front that are looked at, spread over its costs. */
const FRONT_PLANS = 64;

/** Passes over the text that may go into halves of large error. One of the first layer takes a pass, of the last next to nothing. */
const MOST_PASSES = 10;

/** Expected regret up to which estimates choose plans: half of the 20% by which losses of near-equal plans differ between texts. */
const MOST_REGRET = 0.1;

/**
 * Measures what estimates cannot tell, and appends the KL.
 *
 * First a few halves spread over layers, as a check: plans by estimates that are all off by one factor are as good, plans by
 * estimates whose factors differ lose more than they need. If more than {@link MOST_REGRET} is expected, all halves that good plans
 * use are measured, with a warning. Otherwise only those with a large error: such estimates are too low, so a half that no plan of
 * the estimated front uses would not be used at its real loss either. Measuring one may bring another into the front, so this repeats
 * until no plan of the front rests on such an estimate.
 */
export const measureDoubtful = async (inputs: MeasureInputs, losses: PlanLosses): Promise<void> => {
  const { space, journal, callbacks } = inputs;
  const asked: Case[] = [];
  const known = (): LossesByLayer => lossesOf(space, journal.entries, asked);
  const measure = async (cases: readonly Case[]): Promise<void> => {
    await measureCases(inputs, losses, cases);
    asked.push(...cases);
  };
  await measure(checkedCases(space, known()));
  const exact = exactLoss(journal.entries) ?? 0;
  await measure(replacedCases(space, known(), asked, exact));
  const scatter = scatterOf(known(), asked, exact);
  for (let isTold = false; ; isTold = true) {
    const regret = expectedRegret(space, known(), scatter.spread);
    const isTrusted = regret <= MOST_REGRET;
    if (!isTrusted && !isTold) callbacks.warn(distrust(scatter, regret));
    const cases = doubtful(space, known(), isTrusted ? LARGE_OUTPUT_ERROR : 0);
    const chosen = isTrusted ? affordable(space, known(), cases) : cases;
    if (chosen.length === 0) return;
    await measure(chosen);
  }
};

/**
 * Losses as they were when these cases were measured. A killed run may have measured part of the next batch; a resumed one must decide
 * as if it had not.
 */
const lossesOf = (space: SearchSpace, entries: readonly ProfileEntry[], asked: readonly Case[]): LossesByLayer =>
  halfLosses(space, entries).map((own, layer) =>
    own.map((each, half) =>
      asked.some((known) => known.layer === layer && known.half === half) ? each : { ...each, kl: undefined },
    ),
  );

/** Input of {@link measureDoubtful}. */
export type MeasureInputs = Pick<TraceInputs, "space" | "journal" | "callbacks">;

const distrust = ({ cases, spread, rankCorrelation }: Scatter, regret: number): string =>
  `estimates do not rank this model's layers well enough: ${cases} measured cases scatter around them by a factor of ` +
  `${Math.exp(spread).toPrecision(2)}, which predicts a rank correlation of ${rankCorrelation.toFixed(2)} over layers and plans ` +
  `that lose ${(100 * regret).toFixed(0)}% more than the best; measuring all that good plans use`;

/** Measures the cases that the journal lacks, and before any the cache in 16 bits. */
const measureCases = async (
  { space, journal, callbacks }: MeasureInputs,
  losses: PlanLosses,
  cases: readonly Case[],
): Promise<void> => {
  const { halves } = halvesOf(space);
  const known = halfLosses(space, journal.entries);
  const unknown = cases.filter(({ layer, half }) => known[layer]![half]!.kl === undefined);
  const isExactMissing = cases.length > 0 && exactLoss(journal.entries) === undefined;
  const missing = isExactMissing ? [undefined, ...unknown] : unknown;
  if (missing.length === 0) return;
  const places = cachePlaces(space.shape);
  let done = journal.entries.filter(({ kind }) => kind === "half" || kind === "exact").length;
  const total = done + missing.length;
  const record: Parameters<PlanLosses>[1] = async (index, { kl, klStandardError }) => {
    // With one sample there is no standard error.
    const score = { kl, klStandardError: Number.isFinite(klStandardError) ? klStandardError : 0 };
    const own = missing[index];
    const id = own && halves[own.half]!.id;
    await journal.append(own ? { kind: "half", layer: own.layer, half: id!, ...score } : { kind: "exact", ...score });
    const name = own ? `layer ${places[own.layer]} ${id}` : "16 bits";
    callbacks.progress({ step: "measure", done: ++done, total, note: `${name} measured, KL ${kl.toPrecision(3)}` });
    callbacks.signal?.throwIfAborted();
  };
  await losses(
    missing.map((each) => planOf(space, each)),
    record,
    callbacks.signal,
  );
};

const planOf = (space: SearchSpace, own: Case | undefined): LayerScheme[] => {
  const exact = Array<LayerScheme>(space.shape.layers).fill(EXACT);
  return own ? exact.with(own.layer, schemeAt(halvesOf(space).halves[own.half]!, own.layer)) : exact;
};

/** Halves of more than some error, not measured yet, that plans of the front use; the most used first. */
const doubtful = (space: SearchSpace, losses: LossesByLayer, most: number): Case[] => {
  const { ofChoice } = halvesOf(space);
  const uses = new Map<string, Case & { count: number }>();
  for (const genome of plansOf(frontOf(space, choiceLosses(space, losses)), FRONT_PLANS))
    for (const [layer, choice] of genome.entries())
      for (const half of ofChoice[choice]!) {
        const { outputError, kl } = losses[layer]![half]!;
        if (kl !== undefined || outputError <= most) continue;
        const key = `${layer} ${half}`;
        uses.set(key, { layer, half, count: (uses.get(key)?.count ?? 0) + 1 });
      }
  return [...uses.values()].toSorted((a, b) => b.count - a.count || a.layer - b.layer || a.half - b.half);
};

/** The first cases that fit into the passes left. */
const affordable = (space: SearchSpace, losses: LossesByLayer, cases: readonly Case[]): Case[] => {
  const passes = (layer: number): number => passesFrom(layer, space.shape);
  const measured = losses.flatMap((own, layer) =>
    own.filter(({ kl, outputError }) => kl !== undefined && outputError > LARGE_OUTPUT_ERROR).map(() => layer),
  );
  let left = measured.reduce((rest, layer) => rest - passes(layer), MOST_PASSES);
  return cases.filter(({ layer }) => {
    const isAffordable = passes(layer) <= left;
    if (isAffordable) left -= passes(layer);
    return isAffordable;
  });
};
