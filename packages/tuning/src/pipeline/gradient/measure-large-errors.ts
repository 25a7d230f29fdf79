import { cachePlaces, type LayerScheme } from "@kvtuner/plan";
import { additiveFrontTable } from "@kvtuner/search";
import { EXACT, halvesOf } from "../../space/halves.ts";
import type { SearchSpace } from "../../space/space.ts";
import type { ProfileEntry } from "../profile-entry.ts";
import type { PlanLosses } from "../profile.ts";
import type { TraceInputs } from "../trace.ts";

/** The estimate is quadratic. From this e_o² on it may be several times too low. */
const LARGE_OUTPUT_ERROR = 0.2;

/** Plans beyond this loss, nats a token, are of no use. */
const HOPELESS_KL = 1;

/** Plans of the estimated front that are looked at, spread over its costs. */
const FRONT_PLANS = 64;

/** Passes over the text that may go into measured halves. A half of the first layer takes one, of the last next to nothing. */
const MOST_PASSES = 10;

/** Halves of different layers measured of each of some plans of the front, to check the estimates. */
const CHECKED_PER_PLAN = 2;
const CHECKED_PLANS = [1 / 4, 1 / 2, 3 / 4];

/** Checked estimates may be off by one factor; if their factors differ by more than this, none can be trusted. */
const TRUSTED_SPREAD = 4;

/** One half of one layer. */
interface Case {
  readonly layer: number;
  readonly half: number;
}

/**
 * Measures what estimates cannot tell, and appends the KL.
 *
 * First a few halves that cost good plans most, as a check. If these show that the estimates cannot be trusted, which happens where
 * predictions are nearly certain, all halves that good plans use are measured, with a warning. Otherwise only those with a large
 * error: such estimates are too low, so a half that no plan of the estimated front uses would not be used at its real loss either.
 * Measuring one may bring another into the front, so this repeats until no plan of the front rests on such an estimate.
 */
export const measureLargeErrors = async (inputs: MeasureInputs, losses: PlanLosses): Promise<void> => {
  const { space, journal, callbacks } = inputs;
  const checks = checkedCases(space, journal.entries);
  await measureCases(inputs, losses, checks);
  const factors = factorsOf(space, journal.entries, checks);
  const isTrusted = Math.max(...factors) <= TRUSTED_SPREAD * Math.min(...factors);
  if (!isTrusted) callbacks.warn(distrust(factors));
  for (;;) {
    const cases = doubtful(space, journal.entries, isTrusted ? LARGE_OUTPUT_ERROR : 0);
    const chosen = isTrusted ? affordable(space, journal.entries, cases) : cases;
    if (chosen.length === 0) return;
    await measureCases(inputs, losses, chosen);
  }
};

/** Input of {@link measureLargeErrors}. */
export type MeasureInputs = Pick<TraceInputs, "space" | "journal" | "callbacks">;

const distrust = (factors: readonly number[]): string => {
  const [low, high] = [Math.min(...factors), Math.max(...factors)].map((factor) => factor.toPrecision(2));
  return `gradients do not tell the losses of this model's layers: ${factors.length} checked cases lose ${low} to ${high} times what was estimated; measuring all that good plans use`;
};

/** Measures the cases that the journal lacks. */
const measureCases = async (
  { space, journal, callbacks }: MeasureInputs,
  losses: PlanLosses,
  cases: readonly Case[],
): Promise<void> => {
  const { halves } = halvesOf(space);
  const known = halfLosses(space, journal.entries);
  const missing = cases.filter(({ layer, half }) => known[layer]![half]!.kl === undefined);
  if (missing.length === 0) return;
  const places = cachePlaces(space.shape);
  let done = known.flat().filter(({ kl }) => kl !== undefined).length;
  const total = done + missing.length;
  const record: Parameters<PlanLosses>[1] = async (index, { kl, klStandardError }) => {
    const { layer, half } = missing[index]!;
    const { id } = halves[half]!;
    // With one sample there is no standard error.
    const error = Number.isFinite(klStandardError) ? klStandardError : 0;
    await journal.append({ kind: "half", layer, half: id, kl, klStandardError: error });
    const note = `layer ${places[layer]} ${id} measured, KL ${kl.toPrecision(3)}`;
    callbacks.progress({ step: "measure", done: ++done, total, note });
    callbacks.signal?.throwIfAborted();
  };
  await losses(
    missing.map((each) => planOf(space, each)),
    record,
    callbacks.signal,
  );
};

/**
 * Halves that cost some plans of the estimated front most, each of another layer and of small output error; the same whatever was
 * measured.
 */
const checkedCases = (space: SearchSpace, entries: readonly ProfileEntry[]): Case[] => {
  const losses = halfLosses(space, entries).map((own) => own.map((half) => ({ ...half, kl: undefined })));
  const { ofChoice } = halvesOf(space);
  const plans = frontPlans(space, choiceLosses(space, losses));
  const checks = new Map<number, Case>();
  for (const share of CHECKED_PLANS) {
    const plan = plans[Math.floor(share * plans.length)] ?? [];
    const dearest = plan
      .flatMap((choice, layer) => ofChoice[choice]!.map((half) => ({ layer, half, ...losses[layer]![half]! })))
      .filter(({ estimate, outputError }) => estimate > 0 && outputError <= LARGE_OUTPUT_ERROR)
      .toSorted((one, other) => other.estimate - one.estimate);
    const most = checks.size + CHECKED_PER_PLAN;
    for (const { layer, half } of dearest)
      if (checks.size < most && !checks.has(layer)) checks.set(layer, { layer, half });
  }
  return [...checks.values()];
};

/** Measured over estimated KL of some cases. */
const factorsOf = (space: SearchSpace, entries: readonly ProfileEntry[], cases: readonly Case[]): number[] => {
  const losses = halfLosses(space, entries);
  return cases.map(({ layer, half }) => {
    const { kl = Number.NaN, estimate } = losses[layer]![half]!;
    return Math.max(kl, Number.MIN_VALUE) / estimate;
  });
};

const planOf = (space: SearchSpace, { layer, half }: Case): LayerScheme[] =>
  Array<LayerScheme>(space.shape.layers).fill(EXACT).with(layer, halvesOf(space).halves[half]!.scheme);

/** Estimates of a layer's halves in order, and what was measured of them. */
export interface HalfLosses {
  readonly estimate: number;
  readonly standardError: number;
  readonly outputError: number;
  readonly kl: number | undefined;
}

/** Halves by layer, from the journal. */
export const halfLosses = (space: SearchSpace, entries: readonly ProfileEntry[]): HalfLosses[][] => {
  const { halves } = halvesOf(space);
  return Array.from({ length: space.shape.layers }, (_, layer) => {
    const own = entries.filter((entry) => entry.layer === layer);
    const estimated = own.find((entry) => entry.kind === "gradient");
    return halves.map(({ id }) => {
      const estimate = estimated?.kind === "gradient" ? estimated.halves.find((half) => half.id === id) : undefined;
      const measured = own.find((entry) => entry.kind === "half" && entry.half === id);
      return {
        estimate: estimate?.estimate ?? Number.NaN,
        standardError: estimate?.standardError ?? Number.NaN,
        outputError: estimate?.outputError ?? Number.NaN,
        kl: measured?.kind === "half" ? measured.kl : undefined,
      };
    });
  });
};

/** Best known KL of each choice, `[layer][choice]`: the sum of its halves. */
export const choiceLosses = (space: SearchSpace, losses: readonly (readonly HalfLosses[])[]): number[][] => {
  const known = ({ kl, estimate }: HalfLosses): number => Math.max(0, kl ?? estimate);
  return losses.map((own) => halvesOf(space).ofChoice.map(([key, value]) => known(own[key]!) + known(own[value]!)));
};

/** Halves of more than some error, not measured yet, that plans of the front use; the most used first. */
const doubtful = (space: SearchSpace, entries: readonly ProfileEntry[], most: number): Case[] => {
  const losses = halfLosses(space, entries);
  const { ofChoice } = halvesOf(space);
  const uses = new Map<string, Case & { count: number }>();
  for (const genome of frontPlans(space, choiceLosses(space, losses)))
    for (const [layer, choice] of genome.entries())
      for (const half of ofChoice[choice]!) {
        const { outputError, kl } = losses[layer]![half]!;
        if (kl !== undefined || outputError <= most) continue;
        const key = `${layer} ${half}`;
        uses.set(key, { layer, half, count: (uses.get(key)?.count ?? 0) + 1 });
      }
  return [...uses.values()].toSorted((a, b) => b.count - a.count || a.layer - b.layer || a.half - b.half);
};

/** Plans spread over the useful part of the estimated front. */
const frontPlans = ({ costs }: SearchSpace, losses: readonly (readonly number[])[]): number[][] => {
  const range = costs.reduce((sum, row) => sum + Math.max(...row) - Math.min(...row), 0);
  const front = additiveFrontTable({ costs, losses, resolution: range / 65536 });
  const useful = Array.from({ length: front.size }, (_, index) => index).filter(
    (index) => front.losses[index]! <= HOPELESS_KL,
  );
  const step = Math.max(1, (useful.length - 1) / (FRONT_PLANS - 1));
  const places = new Set(Array.from({ length: FRONT_PLANS }, (_, place) => Math.round(place * step)));
  return [...places].flatMap((place) => (useful[place] === undefined ? [] : [front.genome(useful[place])]));
};

/** The first cases that fit into the passes left. */
const affordable = (space: SearchSpace, entries: readonly ProfileEntry[], cases: readonly Case[]): Case[] => {
  const { layers } = space.shape;
  const passes = (layer: number): number => (layers - layer) / layers;
  let left = entries.reduce((rest, entry) => (entry.kind === "half" ? rest - passes(entry.layer) : rest), MOST_PASSES);
  return cases.filter(({ layer }) => {
    const isAffordable = passes(layer) <= left;
    if (isAffordable) left -= passes(layer);
    return isAffordable;
  });
};
