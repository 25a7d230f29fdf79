/**
 * Bounds `|q . k - q . k^|` by the smaller of Cauchy-Schwarz (`perToken` bounds the length of the key's error) and
 * Hoelder (`perNumber` bounds each number of it). Any scale of the scores multiplies the result.
 */
export const scoreErrorBound = (query: ArrayLike<number>, perNumber: number, perToken: number): number => {
  let sum = 0;
  let squares = 0;
  for (let index = 0; index < query.length; index++) {
    sum += Math.abs(query[index]!);
    squares += query[index]! ** 2;
  }
  return Math.min(sum * perNumber, Math.sqrt(squares) * perToken) * (1 + 1e-12);
};
