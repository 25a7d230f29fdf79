/** Fewer letters in common are chance. */
const SHORTEST_PREFIX = 3;

/** The name that starts most like `name`, the first of several; undefined if none shares at least three letters. */
export const nearestName = (name: unknown, names: readonly string[]): string | undefined => {
  if (typeof name !== "string") return undefined;
  const shared = names.map((each) => sharedPrefix(each, name));
  const longest = Math.max(...shared);
  return longest < SHORTEST_PREFIX ? undefined : names[shared.indexOf(longest)];
};

const sharedPrefix = (one: string, other: string): number => {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
};
