import { completeScheme, type LayerScheme } from "@kvtuner/plan";
import { choiceId, schemeAt, type SearchSpace } from "./space.ts";

/** Ids of the choices that store layers so; shorthand, or the scheme itself, for one that the space lacks. */
export const choiceIdsOf = ({ choices }: Pick<SearchSpace, "choices">, layers: readonly LayerScheme[]): string[] =>
  layers.map((scheme, layer) => {
    const content = contentOf(scheme);
    return choices.find((choice) => contentOf(schemeAt(choice, layer)) === content)?.id ?? choiceId(scheme);
  });

/** Equal for equal schemes, whatever the order of their fields and whether defaults are written out. */
const contentOf = ({ key, value, residency }: LayerScheme): string =>
  JSON.stringify(
    [key, value]
      .map(completeScheme)
      .concat(residency as never)
      .map(sorted),
  );

const sorted = (fields: object): [string, unknown][] =>
  Object.entries(fields).toSorted(([one], [other]) => (one < other ? -1 : 1));
