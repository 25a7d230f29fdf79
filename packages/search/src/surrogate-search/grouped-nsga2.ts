import type { AskTell, Evaluation, Genome } from "../ask-tell.ts";
import { createNsga2, restoreNsga2 } from "../nsga2/nsga2.ts";
import { uniformGenomes } from "../uniform-genomes.ts";

/** NSGA-II over groups of genes that share one choice; proposes and receives whole genomes. */
export interface GroupedNsga2Options {
  readonly choices: readonly number[];
  readonly groups: readonly (readonly number[])[];
  readonly seed: number;
  readonly populationSize: number;
  /** Measured before; those constant within groups join the first generation. */
  readonly told: readonly Evaluation[];
  /** Proposed but not yet evaluated; never proposed again. */
  readonly pending: readonly Genome[];
}

/** Starts from the uniform genomes and the measured ones whose groups are constant. */
export const createGroupedNsga2 = (options: GroupedNsga2Options): AskTell => {
  const { groups, seed, populationSize, told, pending } = options;
  const choices = groups.map((group) => options.choices[group[0]!]!);
  const search = createNsga2({
    choices,
    objectives: 2,
    populationSize,
    seed,
    initial: uniformGenomes(choices),
    exclude: pending.flatMap((genome) => contract(genome, groups)),
  });
  const grouped = overGroups(search, groups);
  grouped.tell(told);
  return grouped;
};

/** Restores a checkpoint of `createGroupedNsga2`. */
export const restoreGroupedNsga2 = (checkpoint: unknown, groups: readonly (readonly number[])[]): AskTell =>
  overGroups(restoreNsga2(checkpoint), groups);

const overGroups = (search: AskTell, groups: readonly (readonly number[])[]): AskTell => ({
  ask: (count) => search.ask(count).map((genome) => expand(genome, groups)),
  tell: (evaluations) =>
    search.tell(
      evaluations.flatMap((evaluation) =>
        contract(evaluation.genome, groups).map((genome) => ({ ...evaluation, genome })),
      ),
    ),
  checkpoint: () => search.checkpoint(),
});

/** One genome, or none if the genes of a group differ. */
const contract = (genome: Genome, groups: readonly (readonly number[])[]): Genome[] => {
  const constant = groups.every((group) => group.every((gene) => genome[gene] === genome[group[0]!]));
  return constant ? [groups.map((group) => genome[group[0]!]!)] : [];
};

const expand = (genome: Genome, groups: readonly (readonly number[])[]): Genome => {
  const expanded: number[] = [];
  for (const [index, group] of groups.entries()) for (const gene of group) expanded[gene] = genome[index]!;
  return expanded;
};
