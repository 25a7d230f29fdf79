import { holesOf } from "./hole.ts";
import type { CacheShape } from "./scheme.ts";

/** Place of each layer that attends, in the order of `holesOf`, among all layers of the model. */
export const modelLayers = (shape: CacheShape): number[] => {
  const others = new Set(shape.recurrent?.map(({ place }) => place));
  const total = holesOf(shape).length + others.size;
  return Array.from({ length: total }, (_, place) => place).filter((place) => !others.has(place));
};

/** Place of each layer with a cache, in the order of plans, among all layers of the model. */
export const cachePlaces = (shape: CacheShape): number[] => {
  if (shape.places) return [...shape.places];
  const places = modelLayers(shape);
  return holesOf(shape).flatMap(({ sharing }, hole) => (sharing === undefined ? [places[hole]!] : []));
};

/** Bytes of the states of all recurrent layers, for one sequence of any length. */
export const stateBytes = ({ recurrent = [] }: CacheShape): number =>
  recurrent.reduce((sum, layer) => sum + layer.stateBytes, 0);
