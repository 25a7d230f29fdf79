import type { Evaluator, Score } from "@kvtuner/evaluation";
import { createMoeaD, createNsga2, createSurrogateSearch, type AskTell, type Genome } from "@kvtuner/search";

import type { RunContext } from "../progress.ts";
import type { Journal } from "../study/journal.ts";
import { evaluationEntry, type EvaluationEntry } from "./evaluation-entry.ts";
import { planLayers, searchCost, type SearchSpace } from "./space.ts";

/**
 * How plans to evaluate are chosen: around the additive surrogate's front (default), by NSGA-II over groups or layers, or by
 * MOEA/D over layers.
 */
export type Strategy = "surrogate" | "nsga2-groups" | "nsga2" | "moead";

/** All strategies, the default first. */
export const STRATEGIES: readonly Strategy[] = ["surrogate", "nsga2-groups", "nsga2", "moead"];

/** What the search reads. */
export interface SearchInputs {
  readonly space: SearchSpace;
  /** Single-layer KL by layer and pair, nats a token. */
  readonly losses: readonly (readonly number[])[];
  /** Pair indices left to each layer. */
  readonly candidates: readonly (readonly number[])[];
  /** Layers that share one choice. */
  readonly groups: readonly (readonly number[])[];
}

/** How long and how the search goes. */
export interface SearchOptions {
  readonly strategy: Strategy;
  readonly evaluations: number;
  readonly seed: number;
  /** Bytes at the context length near which about a third of the evaluations are spent; only with true costs. */
  readonly focus: number | undefined;
}

/** Where evaluations come from and go to. */
export interface SearchResources extends RunContext {
  readonly evaluator: () => Promise<Evaluator>;
  readonly journal: Journal<EvaluationEntry>;
}

/** Plans asked for together, so that they share their first layers' work. */
const BATCH_SIZE = 6;

/** A search over a space that is smaller than its evaluations asks for known plans for ever: give up after so many. */
const ASKED_PER_EVALUATION = 20;

/**
 * Evaluates up to `evaluations` different plans. What the journal already holds is told instead of evaluated: the
 * search sees the same answers in the same order, so a resumed run goes the way of an uninterrupted one.
 */
export const runSearch = async (
  inputs: SearchInputs,
  options: SearchOptions,
  resources: SearchResources,
): Promise<EvaluationEntry[]> => {
  const encoding = encodeSpace(inputs, options.strategy);
  const search = createSearch(inputs, encoding, options);
  const known = knownEntries(resources.journal);
  const done = new Map<string, EvaluationEntry>();
  for (let asked = 0; done.size < options.evaluations && asked < options.evaluations * ASKED_PER_EVALUATION;) {
    const genomes = search.ask(Math.min(BATCH_SIZE, options.evaluations - done.size));
    if (genomes.length === 0) break;
    asked += genomes.length;
    const choices = genomes.map(encoding.decode);
    await evaluateMissing(inputs.space, choices, known, { resources, done: done.size, total: options.evaluations });
    const answers = choices.map((choice) => known.get(keyOf(pairNames(inputs.space, choice))));
    search.tell(
      genomes.map((genome, index) => ({
        genome,
        objectives: [answers[index]?.kl ?? Number.NaN, searchCost(inputs.space, choices[index] ?? [])],
      })),
    );
    for (const answer of answers) if (answer !== undefined) done.set(keyOf(answer.pairs), answer);
    resources.progress({ step: "search", done: done.size, total: options.evaluations });
  }
  return [...done.values()];
};

interface Encoding {
  /** Number of choices of each gene. */
  readonly choices: number[];
  /** Pair index by layer. */
  readonly decode: (genome: Genome) => number[];
}

const encodeSpace = ({ candidates, groups }: SearchInputs, strategy: Strategy): Encoding => {
  const genes = strategy === "nsga2-groups" ? groups : candidates.map((_, layer) => [layer]);
  const geneOfLayer = new Map(genes.flatMap((layers, gene) => layers.map((layer) => [layer, gene] as const)));
  return {
    choices: genes.map((layers) => candidates[layers[0] ?? 0]?.length ?? 0),
    decode: (genome) => candidates.map((pairs, layer) => pairs[genome[geneOfLayer.get(layer) ?? 0] ?? 0] ?? 0),
  };
};

const createSearch = (inputs: SearchInputs, { choices }: Encoding, options: SearchOptions): AskTell => {
  const { strategy, seed, evaluations, focus } = options;
  if (strategy === "moead")
    return createMoeaD({ choices, objectives: 2, seed, populationSize: subproblems(evaluations) });
  if (strategy !== "surrogate") return createNsga2({ choices, objectives: 2, seed });
  const { candidates, losses, space, groups } = inputs;
  return createSurrogateSearch({
    choices,
    seed,
    evaluations,
    ...(focus !== undefined && space.costKind === "true" && { focus: { cost: focus } }),
    groups: groups.map((layers) => [...layers]),
    costs: candidates.map((pairs) => pairs.map((pair) => space.costs[pair] ?? 0)),
    losses: candidates.map((pairs, layer) => pairs.map((pair) => Math.max(0, losses[layer]?.[pair] ?? 0))),
  });
};

/** Few enough for each to have about five turns: the first is random. */
const subproblems = (evaluations: number): number => Math.min(50, Math.max(8, Math.round(evaluations / 5)));

const pairNames = (space: SearchSpace, choice: readonly number[]): string[] =>
  choice.map((pair) => space.pairNames[pair] ?? "");

const keyOf = (pairs: readonly string[]): string => pairs.join(" ");

/** What a journal holds, by plan. */
export const knownEntries = (journal: Journal<EvaluationEntry>): Map<string, EvaluationEntry> =>
  new Map(journal.entries.map((entry) => [keyOf(entry.pairs), entry]));

/** Where evaluations go, and where the run stands before them. */
export interface Place {
  readonly resources: SearchResources;
  readonly done: number;
  readonly total: number;
}

/** Evaluates those choices that `known` lacks; each score is in the journal before the next one starts. */
export const evaluateMissing = async (
  space: SearchSpace,
  choices: readonly (readonly number[])[],
  known: Map<string, EvaluationEntry>,
  { resources, done, total }: Place,
): Promise<void> => {
  const byKey = new Map(choices.map((choice) => [keyOf(pairNames(space, choice)), choice]));
  const missing = [...byKey].filter(([key]) => !known.has(key)).map(([, choice]) => choice);
  if (missing.length === 0) return;
  const evaluator = await resources.evaluator();
  let finished = 0;
  const record = (index: number, score: Score): void => {
    const entry = evaluationEntry(pairNames(space, missing[index] ?? []), score);
    resources.journal.append(entry);
    known.set(keyOf(entry.pairs), entry);
    resources.progress({ step: "search", done: done + ++finished, total, note: `KL ${entry.kl.toPrecision(3)}` });
    resources.signal?.throwIfAborted();
  };
  resources.signal?.throwIfAborted();
  await evaluator.evaluate(
    missing.map((choice) => planLayers(space, choice)),
    { onScore: record, ...(resources.signal && { signal: resources.signal }) },
  );
};
