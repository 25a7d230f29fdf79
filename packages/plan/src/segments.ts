import type { TensorScheme } from "./codecs/registry.ts";
import { quantizedPrefix } from "./prefix.ts";
import type { LayerScheme } from "./scheme.ts";

/** Neighbouring tokens `start .. end - 1` of a layer. All their keys are read in one form, and all their values. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  readonly isKeyCoded: boolean;
  readonly isValueCoded: boolean;
}

/**
 * The segments of a layer for a query that sees `length` tokens, oldest first, none empty: exact sinks, coded tokens, exact
 * recent tokens. Blocks of keys and of values fill up at different lengths, so the coded tokens may end with some whose keys,
 * or values, are still exact.
 */
export const segmentsOf = (layer: LayerScheme, length: number): Segment[] => {
  const { sinks } = layer.residency;
  const endOf = (tensor: TensorScheme): number => sinks + quantizedPrefix(tensor, layer, length);
  const [keyEnd, valueEnd] = [endOf(layer.key), endOf(layer.value)];
  const cuts = [0, sinks, Math.min(keyEnd, valueEnd), Math.max(keyEnd, valueEnd), length].map((cut) =>
    Math.min(cut, length),
  );
  return cuts
    .slice(1)
    .map((end, index) => ({ start: cuts[index]!, end }))
    .filter(({ start, end }) => start < end)
    .map(({ start, end }) => ({
      start,
      end,
      isKeyCoded: start >= sinks && start < keyEnd,
      isValueCoded: start >= sinks && start < valueEnd,
    }));
};
