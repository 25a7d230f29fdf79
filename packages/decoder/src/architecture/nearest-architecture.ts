import { type Architecture, ARCHITECTURES } from "./families.ts";

/** Fewer letters in common are chance. */
const SHORTEST_PREFIX = 3;

/**
 * The supported architecture that starts most like `name`, the first of several, because versions of a family differ at the end;
 * undefined if none shares at least three letters.
 */
export const nearestArchitecture = (name: unknown): Architecture | undefined => {
  if (typeof name !== "string") return undefined;
  const shared = ARCHITECTURES.map((each) => sharedPrefix(each, name));
  const longest = Math.max(...shared);
  return longest < SHORTEST_PREFIX ? undefined : ARCHITECTURES[shared.indexOf(longest)];
};

const sharedPrefix = (one: string, other: string): number => {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length++;
  return length;
};
