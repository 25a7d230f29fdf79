/**
 * Crowding distance of each point of one front (Deb et al. 2002, section III B): the sum over objectives of the gap between
 * a point's two neighbours, as a share of the objective's range. The ends of an objective get Infinity; an objective on which
 * all points agree adds nothing, so a front of equal points is all zeros.
 */
export const crowdingDistance = (objectives: readonly (readonly number[])[]): number[] => {
  const distances = objectives.map(() => 0);
  const width = objectives[0]?.length ?? 0;
  for (let objective = 0; objective < width; objective++) addGaps(objectives, objective, distances);
  return distances;
};

const addGaps = (objectives: readonly (readonly number[])[], objective: number, distances: number[]): void => {
  const value = (index: number): number => objectives[index]![objective]!;
  const order = objectives.map((_, index) => index).toSorted((a, b) => value(a) - value(b) || a - b);
  const first = order[0]!;
  const last = order.at(-1)!;
  const range = value(last) - value(first);
  if (range === 0) return;
  distances[first] = Infinity;
  distances[last] = Infinity;
  for (let rank = 1; rank < order.length - 1; rank++) {
    distances[order[rank]!]! += (value(order[rank + 1]!) - value(order[rank - 1]!)) / range;
  }
};
