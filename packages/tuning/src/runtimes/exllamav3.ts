import { blockFormatScheme } from "@kvtuner/plan";
import { coded, everywhere, pairsOf, type Runtime } from "./runtime.ts";

const BITS = [8, 7, 6, 5, 4, 3, 2] as const;

/** ExLlamaV3: bits of keys and bits of values, the same in all layers. */
export const exllamav3: Runtime = {
  name: "exllamav3",
  source: "https://github.com/turboderp-org/exllamav3",
  limits: "heads of multiples of 32",
  settings: ({ shape }) =>
    pairsOf<(typeof BITS)[number]>(BITS).map(([key, value]) => ({
      label: `K${key}V${value}`,
      layers: everywhere(shape, coded(blockFormatScheme(`exllama${key}`), blockFormatScheme(`exllama${value}`))),
      paste: `--cache_quant ${key},${value}`,
    })),
};
