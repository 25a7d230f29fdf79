import { parseShorthand, type LayerScheme } from "@kvtuner/plan";
import { choiceId, type Choice, type SearchSpace } from "./space.ts";

/** A layer scheme with its keys or its values in 16 bits. */
export interface Half {
  /** Names it in study records: its shorthand, such as `compact:K4V16`. */
  readonly id: string;
  readonly scheme: LayerScheme;
  /** As of a {@link Choice}. */
  readonly layers?: readonly LayerScheme[];
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
  const known = KNOWN.get(choices) ?? splitChoices(choices);
  KNOWN.set(choices, known);
  return known;
};

/** By their list, which does not change: hundreds of choices take a while to split. */
const KNOWN = new WeakMap<readonly Choice[], Halves>();

const splitChoices = (choices: readonly Choice[]): Halves => {
  const halves = new Map<string, Half & { readonly index: number }>();
  const indexOf = (half: Half): number => {
    const known = halves.get(half.id) ?? { ...half, index: halves.size };
    halves.set(half.id, known);
    return known.index;
  };
  const ofChoice = choices.map((choice) => [indexOf(halfOf(choice, "key")), indexOf(halfOf(choice, "value"))] as const);
  return { halves: [...halves.values()].map(({ index: _, ...half }) => half), ofChoice };
};

const halfOf = ({ scheme, layers, halves }: Choice, tensor: "key" | "value"): Half => {
  const split = (whole: LayerScheme): LayerScheme =>
    tensor === "key" ? { ...whole, value: EXACT.value } : { ...whole, key: EXACT.key };
  const half = split(scheme);
  return { id: halves?.[tensor] ?? choiceId(half), scheme: half, ...(layers && { layers: layers.map(split) }) };
};
