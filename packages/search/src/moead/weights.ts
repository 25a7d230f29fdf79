/**
 * Weights of subproblems spread evenly over the simplex: all vectors of `objectives` multiples of 1 / H that add up to 1, for
 * the largest H whose vectors are at most `most` (Das and Dennis 1998; Zhang and Li 2007, section III C). At least one vector
 * for each objective; with two objectives exactly `most`.
 */
export const spreadWeights = (objectives: number, most: number): number[][] => {
  if (objectives === 1) return [[1]];
  let parts = 1;
  while (latticeSize(objectives, parts + 1) <= most) parts++;
  return lattice(objectives, parts).map((vector) => vector.map((count) => count / parts));
};

/** Ways to share `parts` among `objectives`: parts + objectives - 1 over objectives - 1. */
const latticeSize = (objectives: number, parts: number): number => {
  let size = 1;
  for (let index = 1; index < objectives; index++) size = (size * (parts + index)) / index;
  return size;
};

const lattice = (objectives: number, parts: number): number[][] =>
  objectives === 1
    ? [[parts]]
    : Array.from({ length: parts + 1 }, (_, first) => first).flatMap((first) =>
        lattice(objectives - 1, parts - first).map((rest) => [first, ...rest]),
      );

/** For each weight vector the indices of the `count` closest ones (Euclidean), itself first, then the lower index. */
export const neighbourhoods = (weights: readonly (readonly number[])[], count: number): number[][] =>
  weights.map((own) => {
    const distances = weights.map((other) =>
      other.reduce((sum, weight, index) => sum + (weight - own[index]!) ** 2, 0),
    );
    return [...weights.keys()].toSorted((a, b) => distances[a]! - distances[b]! || a - b).slice(0, count);
  });
