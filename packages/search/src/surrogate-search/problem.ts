import { costUnits } from "../additive-front/cost-units.ts";
import type { Genome } from "../ask-tell.ts";
import { isSeed } from "../random.ts";
import { SearchError } from "../search-error.ts";
import { cleanLosses, logOfLoss, type SingleLosses } from "./additive-features.ts";
import { type CostAxis, costAxis, type CostInterest } from "./cost-axis.ts";

/** Options of a surrogate-assisted search. */
export interface SurrogateSearchOptions extends CostInterest {
  /** Number of choices of each gene. */
  readonly choices: readonly number[];
  /** Cost [gene][choice]; adds up exactly. Whole multiples of a common unit: bits or bytes. */
  readonly costs: readonly (readonly number[])[];
  /** Loss [gene][choice] of that choice alone, all other genes lossless; adds up roughly. */
  readonly losses: readonly (readonly number[])[];
  /** 32-bit integer; the same seed and the same results in the same order give the same genomes. */
  readonly seed: number;
  /** Planned number of evaluations; more can be requested. */
  readonly evaluations: number;
  /** Evaluations spread over the front of the single losses, at least 8; a quarter of all by default. */
  readonly first?: number;
  /** Loss and cost above which a genome is of no use; by default the worst of the surrogate's front. */
  readonly reference?: readonly [loss: number, cost: number];
  /** Groups of genes that share one choice if losses turn out not to add up; by default each gene is its own group. */
  readonly groups?: readonly (readonly number[])[];
  /** Rank correlation of predicted and observed losses below which the surrogate is abandoned; 0.7 by default. */
  readonly minimumAgreement?: number;
}

/** Checked options, and values derived from them. */
export interface SurrogateProblem {
  readonly options: SurrogateSearchOptions;
  readonly single: SingleLosses;
  /** Natural logarithm of the reference loss, and the reference cost. */
  readonly reference: readonly [number, number];
  readonly axis: CostAxis;
  /** The same without a focus. */
  readonly plainAxis: CostAxis;
  /** Partial genomes whose costs differ by less count as equal: 1/65536 of all costs, which adds up over genes. */
  readonly resolution: number;
  costOf(genome: Genome): number;
}

/** Throws `SEARCH_BAD_COSTS`, `SEARCH_BAD_LOSSES`, `SEARCH_BAD_OPTIONS`. */
export const surrogateProblem = (options: SurrogateSearchOptions): SurrogateProblem => {
  assertOptions(options);
  const single = cleanLosses(options.losses);
  const least = sum(options.costs.map((row) => Math.min(...row)));
  const most = sum(options.costs.map((row) => Math.max(...row)));
  const worstLoss = sum(single.losses.map((row) => Math.max(...row)));
  const [loss, cost] = options.reference ?? [worstLoss, most];
  return {
    options,
    single,
    reference: [logOfLoss(loss, single.floor), cost],
    axis: costAxis(least, Math.min(most, cost), options),
    plainAxis: costAxis(least, Math.min(most, cost), options.costRange ? { costRange: options.costRange } : {}),
    resolution: (most - least) / 65536,
    costOf: (genome) => sum(genome.map((choice, gene) => options.costs[gene]![choice]!)),
  };
};

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const assertOptions = (options: SurrogateSearchOptions): void => {
  const { choices, costs, losses, evaluations, seed, reference = [1, 1], groups } = options;
  assertTable("SEARCH_BAD_COSTS", "costs", costs, choices);
  assertTable("SEARCH_BAD_LOSSES", "losses", losses, choices);
  costUnits(costs);
  if (!isSeed(seed)) throw badOptions("a seed that is a 32-bit integer", `${seed}`);
  if (!Number.isInteger(evaluations) || evaluations < 1) throw badOptions("at least 1 evaluation", `${evaluations}`);
  if (!(reference[0] > 0) || !Number.isFinite(reference[1])) {
    throw badOptions("a reference of positive loss and finite cost", `[${reference.join(", ")}]`);
  }
  assertInterest(options);
  if (groups) assertGroups(groups, choices);
};

const assertInterest = ({ minimumAgreement = 0, focus, costRange = [0, 0] }: SurrogateSearchOptions): void => {
  const numbers = [minimumAgreement, focus?.cost ?? 0, ...costRange];
  if (numbers.some(Number.isNaN)) {
    throw badOptions("numbers as minimumAgreement, focus and costRange", `[${numbers.join(", ")}]`);
  }
};

const assertTable = (
  code: string,
  what: string,
  table: readonly (readonly number[])[],
  choices: readonly number[],
): void => {
  const sizes = table.map((row) => row.length).join(", ");
  if (sizes === choices.join(", ") && table.flat().every(Number.isFinite)) return;
  throw new SearchError(
    code,
    `expected finite ${what} for [${choices.join(", ")}] choices, got [${sizes}] choices or a number that is not finite`,
  );
};

const assertGroups = (groups: readonly (readonly number[])[], choices: readonly number[]): void => {
  const members = groups.flat().toSorted((a, b) => a - b);
  if (members.join() !== [...choices.keys()].join()) {
    throw badOptions(`each of ${choices.length} genes in one group`, `[${members.join(", ")}]`);
  }
  if (groups.some((group) => group.length === 0)) throw badOptions("groups of at least one gene", "an empty one");
  const uneven = groups.find((group) => group.some((gene) => choices[gene] !== choices[group[0]!]));
  if (uneven) throw badOptions("groups of genes with equally many choices", `[${uneven.join(", ")}]`);
};

const badOptions = (expected: string, came: string): SearchError =>
  new SearchError("SEARCH_BAD_OPTIONS", `expected ${expected}, got ${came}`);
