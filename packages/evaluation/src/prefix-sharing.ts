/** Plans that agree so far: at `depth` layers, the indices of those that end here and the branches of the others. */
export interface PrefixNode<Step> {
  readonly ends: readonly number[];
  readonly branches: readonly { readonly step: Step; readonly next: PrefixNode<Step> }[];
}

/** Groups sequences by common prefixes, in order of first appearance. Equality is by `keyOf`. */
export const prefixTree = <Step>(
  sequences: readonly (readonly Step[])[],
  keyOf: (step: Step) => string,
): PrefixNode<Step> =>
  branch(
    sequences,
    sequences.map((_, index) => index),
    0,
    keyOf,
  );

const branch = <Step>(
  sequences: readonly (readonly Step[])[],
  members: readonly number[],
  depth: number,
  keyOf: (step: Step) => string,
): PrefixNode<Step> => {
  const groups = new Map<string, { step: Step; members: number[] }>();
  for (const index of members) {
    const sequence = sequences[index]!;
    if (depth === sequence.length) continue;
    const step = sequence[depth] as Step;
    const group = groups.get(keyOf(step)) ?? { step, members: [] };
    group.members.push(index);
    groups.set(keyOf(step), group);
  }
  return {
    ends: members.filter((index) => sequences[index]!.length === depth),
    branches: [...groups.values()].map((group) => ({
      step: group.step,
      next: branch(sequences, group.members, depth + 1, keyOf),
    })),
  };
};
