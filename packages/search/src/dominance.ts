/**
 * Pareto dominance for minimization: `a` is nowhere worse than `b` and somewhere better. Both have the same length.
 * A point does not dominate its equal.
 */
export const dominates = (a: readonly number[], b: readonly number[]): boolean => {
  let better = false;
  for (let index = 0; index < a.length; index++) {
    if (a[index]! > b[index]!) return false;
    if (a[index]! < b[index]!) better = true;
  }
  return better;
};

/**
 * Deb's constrained dominance (A fast and elitist multiobjective genetic algorithm: NSGA-II, 2002, definition 1): an allowed
 * point dominates a forbidden one, of two forbidden points the lesser violation dominates, two allowed points compare by
 * Pareto dominance. A violation of 0 or less means allowed.
 */
export const constrainedDominates = (
  a: readonly number[],
  violationOfA: number,
  b: readonly number[],
  violationOfB: number,
): boolean => {
  if (violationOfA > 0 || violationOfB > 0) return Math.max(violationOfA, 0) < Math.max(violationOfB, 0);
  return dominates(a, b);
};
