/** The name that takes the fewest insertions, deletions and replacements of characters to become `given`. */
export const nearestName = (given: string, names: readonly string[]): string | undefined => {
  const distances = names.map((name) => editDistance(given, name));
  return names[distances.indexOf(Math.min(...distances))];
};

const editDistance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let line = 1; line <= one.length; line++) {
    const next = [line];
    for (let column = 1; column <= other.length; column++) {
      const replaced = row[column - 1]! + (one[line - 1] === other[column - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[column]! + 1, next[column - 1]! + 1));
    }
    row = next;
  }
  return row[other.length]!;
};
