import { holesOf, modelLayers } from "@kvtuner/plan";
import type { Rope } from "@kvtuner/quantizers";
import type { Decoder } from "./decoder.ts";

/**
 * RoPE of every layer with a cache, in the order of the cache; undefined for layers without RoPE, and for exported models, whose
 * graphs hold it.
 */
export const layerRopes = ({
  shape,
  segments,
  positions,
}: Pick<Decoder, "shape" | "segments" | "positions">): (Rope | undefined)[] => {
  const layers = modelLayers(shape);
  const first = positions([1]);
  return holesOf(shape)
    .map(({ sharing }, hole) => ({ sharing, layer: layers[hole]! }))
    .filter(({ sharing }) => sharing === undefined)
    .map(({ layer }) => {
      const { cosine, sine } = segments.positionInputs(first, layer);
      if (!cosine || !sine) return undefined;
      // Frequencies are at most 1, so an angle at position 1 is the frequency.
      const [x, y] = [cosine.data as Float32Array, sine.data as Float32Array];
      return { frequencies: x.map((own, pair) => Math.atan2(y[pair]!, own)), pairing: "halves" };
    });
};
