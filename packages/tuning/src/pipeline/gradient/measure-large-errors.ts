import type { LayerScheme } from "@kvtuner/plan";
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

/** One half of one layer. */
interface Case {
  readonly layer: number;
  readonly half: number;
}

/**
 * Measures halves whose estimates cannot be trusted, and appends their KL. Only those that good plans use: estimates of large errors
 * are too low, so a half that no plan of the estimated front uses would not be used at its real loss either. Measuring one may
 * bring another one into the front, so this repeats until no plan of the front rests on such an estimate.
 */
export const measureLargeErrors = async (
  { space, journal, callbacks }: Pick<TraceInputs, "space" | "journal" | "callbacks">,
  losses: PlanLosses,
): Promise<void> => {
  const { halves } = halvesOf(space);
  for (;;) {
    const cases = affordable(space, journal.entries, doubtful(space, journal.entries));
    if (cases.length === 0) return;
    const record = async (
      index: number,
      { kl, klStandardError }: { kl: number; klStandardError: number },
    ): Promise<void> => {
      const { layer, half } = cases[index]!;
      const { id } = halves[half]!;
      await journal.append({
        kind: "half",
        layer,
        half: id,
        kl,
        klStandardError: Number.isFinite(klStandardError) ? klStandardError : 0,
      });
      const note = `layer ${layer} ${id} measured, KL ${kl.toPrecision(3)}`;
      callbacks.progress({ step: "measure", done: index + 1, total: cases.length, note });
      callbacks.signal?.throwIfAborted();
    };
    await losses(
      cases.map((each) => planOf(space, each)),
      record,
      callbacks.signal,
    );
  }
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

/** Halves of large error, not measured yet, that plans of the front use; the most used first. */
const doubtful = (space: SearchSpace, entries: readonly ProfileEntry[]): Case[] => {
  const losses = halfLosses(space, entries);
  const { ofChoice } = halvesOf(space);
  const uses = new Map<string, Case & { count: number }>();
  for (const genome of frontPlans(space, choiceLosses(space, losses)))
    for (const [layer, choice] of genome.entries())
      for (const half of ofChoice[choice]!) {
        const { outputError, kl } = losses[layer]![half]!;
        if (kl !== undefined || outputError <= LARGE_OUTPUT_ERROR) continue;
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
