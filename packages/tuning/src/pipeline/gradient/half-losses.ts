import { additiveFrontTable, type FrontTable } from "@kvtuner/search";
import { halvesOf } from "../../space/halves.ts";
import type { SearchSpace } from "../../space/space.ts";
import type { ProfileEntry } from "../profile-entry.ts";

/** One half of one layer. */
export interface Case {
  readonly layer: number;
  readonly half: number;
}

/** Estimates of a layer's halves in order, and what was measured of them. */
export interface HalfLosses {
  readonly estimate: number;
  readonly standardError: number;
  readonly outputError: number;
  /** Beyond the loss of a cache whose layers are all in 16 bits. */
  readonly kl: number | undefined;
}

/** Halves by layer. */
export type LossesByLayer = readonly (readonly HalfLosses[])[];

/** Loss of the cache whose layers are all in 16 bits, which every measured half has too; undefined until it was measured. */
export const exactLoss = (entries: readonly ProfileEntry[]): number | undefined =>
  entries.find((entry) => entry.kind === "exact")?.kl;

/** Halves by layer, from the journal. */
export const halfLosses = (space: SearchSpace, entries: readonly ProfileEntry[]): HalfLosses[][] => {
  const { halves } = halvesOf(space);
  const exact = exactLoss(entries) ?? 0;
  return Array.from({ length: space.shape.layers }, (_, layer) => {
    const estimated = entries.find((entry) => entry.kind === "gradient" && entry.layer === layer);
    return halves.map(({ id }) => {
      const estimate = estimated?.kind === "gradient" ? estimated.halves.find((half) => half.id === id) : undefined;
      const measured = entries.find((entry) => entry.kind === "half" && entry.layer === layer && entry.half === id);
      return {
        estimate: estimate?.estimate ?? Number.NaN,
        standardError: estimate?.standardError ?? Number.NaN,
        outputError: estimate?.outputError ?? Number.NaN,
        kl: measured?.kind === "half" ? Math.max(0, measured.kl - exact) : undefined,
      };
    });
  });
};

/** Best known KL of each choice, `[layer][choice]`: the sum of its halves. */
export const choiceLosses = (space: SearchSpace, losses: LossesByLayer): number[][] => {
  const known = ({ kl, estimate }: HalfLosses): number => Math.max(0, kl ?? estimate);
  return losses.map((own) => halvesOf(space).ofChoice.map(([key, value]) => known(own[key]!) + known(own[value]!)));
};

/** The front of summed losses, up to differences of cost that hardly count. */
export const frontOf = ({ costs }: SearchSpace, losses: readonly (readonly number[])[]): FrontTable => {
  const range = costs.reduce((sum, row) => sum + Math.max(...row) - Math.min(...row), 0);
  return additiveFrontTable({ costs, losses, resolution: range / 65536 });
};

/** The estimate is quadratic. From this e_o² on it may be several times too low. */
export const LARGE_OUTPUT_ERROR = 0.2;

/** Plans beyond this loss, nats a token, are of no use. */
const HOPELESS_KL = 1;

/** Up to `count` plans spread over the useful part of a front, cheapest first. */
export const plansOf = (front: FrontTable, count: number): number[][] => {
  const useful = Array.from({ length: front.size }, (_, index) => index).filter(
    (index) => front.losses[index]! <= HOPELESS_KL,
  );
  const step = Math.max(1, (useful.length - 1) / (count - 1));
  const places = new Set(Array.from({ length: count }, (_, place) => Math.round(place * step)));
  return [...places].flatMap((place) => (useful[place] === undefined ? [] : [front.genome(useful[place])]));
};
