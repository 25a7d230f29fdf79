import { parseShorthand, type LayerScheme } from "@kvtuner/plan";
import { choiceId, type SearchSpace } from "./space.ts";

/** A layer scheme with its keys or its values in 16 bits. */
export interface Half {
  /** Names it in study records: its shorthand, such as `compact:K4V16`. */
  readonly id: string;
  readonly scheme: LayerScheme;
}

/** The 16-bit cache. */
export const EXACT: LayerScheme = parseShorthand("none").layer;

/** The distinct halves of all choices, and the two halves of each choice as indices. */
export interface Halves {
  readonly halves: readonly Half[];
  readonly ofChoice: readonly (readonly [key: number, value: number])[];
}

/** Splits the choices of a space into halves. Choices share them, so there are far fewer halves than pairs. */
export const halvesOf = ({ choices }: Pick<SearchSpace, "choices">): Halves => {
  const halves = new Map<string, Half & { readonly index: number }>();
  const indexOf = (scheme: LayerScheme): number => {
    const id = choiceId(scheme);
    const known = halves.get(id) ?? { id, scheme, index: halves.size };
    halves.set(id, known);
    return known.index;
  };
  const ofChoice = choices.map(
    ({ scheme }) => [indexOf({ ...scheme, value: EXACT.value }), indexOf({ ...scheme, key: EXACT.key })] as const,
  );
  return { halves: [...halves.values()].map(({ id, scheme }) => ({ id, scheme })), ofChoice };
};
