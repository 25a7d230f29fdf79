/**
 * Spearman's rank correlation of two lists of equal length; ties share their mean rank. 0 when either list is constant.
 */
export const rankCorrelation = (a: readonly number[], b: readonly number[]): number => {
  const [x, y] = [centredRanks(a), centredRanks(b)];
  const scale = Math.sqrt(product(x, x) * product(y, y));
  return scale === 0 ? 0 : product(x, y) / scale;
};

const centredRanks = (values: readonly number[]): number[] => {
  const order = values.map((_, index) => index).toSorted((i, j) => values[i]! - values[j]!);
  const ranks = values.map(() => 0);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    for (let place = first; place < end; place++) ranks[order[place]!] = (first + end - order.length) / 2;
    first = end;
  }
  return ranks;
};

const product = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, index) => sum + value * b[index]!, 0);
