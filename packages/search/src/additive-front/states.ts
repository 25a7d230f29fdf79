/**
 * Partial genomes after some genes: for each the summed cost in units, the summed loss, the choice of the newest gene and the
 * index of the state it extends. Cost ascends and loss descends strictly: no state dominates another.
 */
export interface States {
  readonly size: number;
  readonly costs: Float64Array;
  readonly losses: Float64Array;
  readonly choices: Uint16Array;
  readonly parents: Int32Array;
}

/** One choice of a gene, its cost in units. */
export interface Choice {
  readonly index: number;
  readonly units: number;
  readonly loss: number;
}

/** Allocates `size` states. */
export const allocateStates = (size: number): States => ({
  size,
  costs: new Float64Array(size),
  losses: new Float64Array(size),
  choices: new Uint16Array(size),
  parents: new Int32Array(size),
});

/** The choices of a gene that no other dominates, cheapest first; of equal ones the first. */
export const usefulChoices = (units: readonly number[], losses: readonly number[]): Choice[] => {
  const useful: Choice[] = [];
  const all = units.map((unit, index) => ({ index, units: unit, loss: losses[index]! }));
  for (const choice of all.toSorted((a, b) => a.units - b.units || a.loss - b.loss || a.index - b.index)) {
    if (choice.loss < (useful.at(-1)?.loss ?? Infinity)) useful.push(choice);
  }
  return useful;
};

/** The first `size` states, copied so that the larger buffers can go. */
export const truncateStates = (states: States, size: number): States => ({
  size,
  costs: states.costs.slice(0, size),
  losses: states.losses.slice(0, size),
  choices: states.choices.slice(0, size),
  parents: states.parents.slice(0, size),
});

/** Copies state `from` of `source` to place `to` of `target`. */
export const copyState = (source: States, from: number, target: States, to: number): void => {
  target.costs[to] = source.costs[from]!;
  target.losses[to] = source.losses[from]!;
  target.choices[to] = source.choices[from]!;
  target.parents[to] = source.parents[from]!;
};
