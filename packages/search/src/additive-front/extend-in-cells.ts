import { allocateStates, type Choice, copyState, type States, truncateStates } from "./states.ts";

/**
 * Extends states by a gene through a table of cost cells `width` units wide; a cell keeps its state of least loss. With a
 * width of 1 that is exact. Takes O(states x choices + cells), whatever the number of states kept.
 */
export const extendInCells = (states: States, choices: readonly Choice[], width: number): States => {
  const range = states.costs[states.size - 1]! + choices.at(-1)!.units;
  const cells = allocateStates(Math.floor(range / width) + 1);
  cells.losses.fill(Infinity);
  for (const choice of choices) placeChoice(states, choice, width, cells);
  return withoutDominated(cells);
};

const placeChoice = (states: States, choice: Choice, width: number, cells: States): void => {
  for (let parent = 0; parent < states.size; parent++) {
    const cost = states.costs[parent]! + choice.units;
    const loss = states.losses[parent]! + choice.loss;
    const cell = width === 1 ? cost : Math.floor(cost / width);
    if (loss > cells.losses[cell]! || (loss === cells.losses[cell]! && cost >= cells.costs[cell]!)) continue;
    cells.costs[cell] = cost;
    cells.losses[cell] = loss;
    cells.choices[cell] = choice.index;
    cells.parents[cell] = parent;
  }
};

/** Cells lie in order of cost; a state stays when its loss is below all before it. */
const withoutDominated = (cells: States): States => {
  let kept = 0;
  let least = Infinity;
  for (let cell = 0; cell < cells.size; cell++) {
    if (!(cells.losses[cell]! < least)) continue;
    least = cells.losses[cell]!;
    copyState(cells, cell, cells, kept++);
  }
  return truncateStates(cells, kept);
};
